// A function app: the server, or with other settings the rotation. Its settings say where secrets are; they contain no
// secret.
metadata description = 'A Flex Consumption function app that runs as one user-assigned identity, the server behind App Service authentication.'

@description('The name of the function app; the first part of its host name.')
param name string

@description('The end of every other name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The service of azure.yaml whose package is published here.')
@allowed([
  'mcp'
  'rotation'
])
param service string

@description('The Python of the function.')
param pythonVersion string

@description('The resource id of the identity that the function runs as.')
param identityId string

@description('The client id of the identity that the function runs as.')
param identityClientId string

@description('Where the blobs of the host are.')
param blobEndpoint string

@description('The container that deployments go to.')
param deploymentContainer string

@description('Where telemetry is sent.')
param insightsConnectionString string

@description('The app\'s own settings: NEO4J_M2M_ names and their values.')
param appSettings object

@description('The resource id of a subnet to integrate with; empty for none.')
param subnetId string

@description('Memory of one instance.')
param instanceMemoryMB int

@description('Instances that may exist at the same time.')
param maximumInstanceCount int

@description('Instances that always run.')
param alwaysReadyInstances int = 0

@description('Requests that one instance answers at the same time.')
param concurrencyPerInstance int

@description('Whether App Service verifies tokens before the function does.')
param easyAuth bool = false

@description('Whether the function answers on the internet.')
param publicAccess bool

@description('The URL of the MCP endpoint on a domain of one\'s own; empty for the one that Azure gives.')
param publicUrl string = ''

@description('The scope that a client asks a token for.')
param tokenScope string = ''

@description('The issuer whose tokens App Service lets through.')
param tokenIssuer string = ''

@description('The application id of the API\'s registration.')
param apiClientId string = ''

@description('The audiences that App Service lets through.')
param audiences array = []

@description('The client ids that App Service lets through.')
param clientIds array = []

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': service })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyInstances
          }
        ]
        // Without this, one instance of a Python app gets one request at a time.
        triggers: {
          http: {
            perInstanceConcurrency: concurrencyPerInstance
          }
        }
      }
    }
  }
}

var hostSettings = {
  AzureWebJobsDisableHomepage: 'true'
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

var mcpUrl = empty(publicUrl) ? 'https://${app.properties.defaultHostName}/mcp' : publicUrl

var publicSettings = service == 'mcp' ? {
  NEO4J_M2M_PUBLIC_URL: mcpUrl
} : {}

// With this, App Service serves the protected resource metadata (RFC 9728), which it otherwise hides behind itself.
var discoverySettings = easyAuth ? {
  WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES: tokenScope
} : {}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(appSettings, publicSettings, discoverySettings, hostSettings)
}

// The second wall, before the server only: to the rotation come Event Grid and the holder of a function key, and neither
// has a token of Entra. It answers 401 and never redirects; the function verifies every token again.
// What follows is written one after the other: written at the same time, settings of such siblings were lost.
// https://github.com/Azure/reliable-web-app-pattern-dotnet/issues/132
resource authSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  dependsOn: [
    settings
  ]
  properties: {
    platform: {
      enabled: easyAuth
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: easyAuth
      unauthenticatedClientAction: easyAuth ? 'Return401' : 'AllowAnonymous'
      excludedPaths: [
        '/health'
        '/.well-known/oauth-protected-resource'
        '/.well-known/oauth-protected-resource/mcp'
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: easyAuth
        registration: {
          clientId: apiClientId
          openIdIssuer: tokenIssuer
        }
        validation: {
          allowedAudiences: audiences
          defaultAuthorizationPolicy: {
            allowedApplications: clientIds
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

// Deployments sign in with Entra; there are no publishing passwords.
resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  dependsOn: [
    authSettings
  ]
  properties: {
    allow: false
  }
}

resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  dependsOn: [
    noScmPassword
  ]
  properties: {
    allow: false
  }
}

@description('The name of the function app, for func azure functionapp publish.')
output functionName string = app.name

@description('The resource id of the function app.')
output functionId string = app.id

@description('The URL of the MCP endpoint.')
output mcpUrl string = mcpUrl

@description('Where the function answers.')
output hostName string = app.properties.defaultHostName
