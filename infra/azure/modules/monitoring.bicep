// Where the function's log goes: Application Insights over a workspace. Nobody can write to it with a key.
metadata description = 'A Log Analytics workspace and an Application Insights component that accepts Entra identities only.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The object id of the identity that writes telemetry.')
param publisherPrincipalId string

@description('Days for which logs, including the audit lines, are kept.')
param retentionInDays int

// Monitoring Metrics Publisher: may send telemetry, but not read it.
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionInDays
    features: {
      enableLogAccessUsingOnlyResourcePermissions: true
      disableLocalAuth: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, publisherPrincipalId, metricsPublisher)
  properties: {
    principalId: publisherPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

@description('Where telemetry is sent. Not a credential: the component refuses senders that are not signed in.')
output connectionString string = insights.properties.ConnectionString

@description('The resource id of the Application Insights component.')
output insightsId string = insights.id

@description('The name of the Application Insights component.')
output insightsName string = insights.name

@description('The resource id of the workspace.')
output workspaceId string = workspace.id
