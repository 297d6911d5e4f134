// The rotation of the database credential: a function app of its own. Its identity writes the server's vault and, with
// two users in turn, reads the administrator's, on which the server's identity has no role. So it has a storage account
// of its own, too: whoever writes that decides what runs as this identity.
metadata description = 'A function app that rotates the secrets of one vault, with its identity, its storage and the administrator\'s vault.'

@description('The end of every name.')
param suffix string

@description('The middle of the app\'s name.')
param hostName string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('How the credential is rotated: two_users or single_user.')
param mode string

@description('The names of the secrets that are rotated, with commas between them.')
param rotatedSecrets string

@description('Days from one rotation to the next.')
param everyDays int

@description('The name of the secret with the administrator\'s credential.')
param adminSecretName string

@description('The name of the vault whose secrets are rotated.')
param vaultName string

@description('Where that vault answers.')
param vaultUrl string

@description('The tenant of the vaults.')
param tenantId string

@description('The object id of the person or group that writes the administrator\'s credential; empty for nobody.')
param writerPrincipalId string

@description('The kind of the writer.')
param writerPrincipalType string

@description('Days for which a deleted vault or secret can be recovered.')
param retentionInDays int

@description('The name of the Application Insights component that telemetry goes to.')
param insightsName string

@description('Where telemetry is sent.')
param insightsConnectionString string

@description('The resource id of the workspace with the logs.')
param workspaceId string

@description('The Python of the function app.')
param pythonVersion string

@description('Whether vault and storage have private endpoints only.')
param isPrivate bool

@description('The resource id of the network; empty without one.')
param networkId string

@description('The resource id of the subnet for private endpoints; empty without one.')
param endpointSubnetId string

@description('The resource id of the subnet that the app integrates with; empty for none.')
param subnetId string

@description('Whether the app answers on the internet, to Event Grid and to holders of a function key.')
param publicAccess bool

@description('Whether Event Grid tells of secrets near their expiry. Only once the package is published.')
param subscribes bool

@description('The resource id of the group that gets a mail when a rotation fails; empty for no alerts.')
param actionGroupId string

// Key Vault Secrets Officer: writes secrets, but gives no roles. Monitoring Metrics Publisher: sends telemetry.
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

// Key Vault's own: SecretNearExpiry comes so many days before.
// https://learn.microsoft.com/azure/event-grid/event-schema-key-vault
var daysBefore = 30

var byAdministrator = mode == 'two_users'

var rotationSettings = {
  PYTHON_SCRIPT_FILE_NAME: 'rotation_app.py'
  NEO4J_M2M_ROTATION_MODE: mode
  NEO4J_M2M_ROTATED_SECRETS: rotatedSecrets
  NEO4J_M2M_VALID_DAYS: string(everyDays + daysBefore)
  NEO4J_M2M_ROTATE_DAYS_BEFORE: string(daysBefore)
  NEO4J_M2M_VAULT_URL: vaultUrl
  NEO4J_M2M_ADMIN_VAULT_URL: byAdministrator ? adminVault!.outputs.vaultUrl : ''
  NEO4J_M2M_ADMIN_SECRET: byAdministrator ? adminSecretName : ''
  NEO4J_M2M_IDENTITY_CLIENT_ID: identity.properties.clientId
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-rotation-${suffix}'
  location: location
  tags: tags
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource rotator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, secretsOfficer)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, identity.id, metricsPublisher)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
  }
}

module adminVault 'vault.bicep' = if (byAdministrator) {
  name: 'admin-vault'
  params: {
    suffix: 'adm-${suffix}'
    location: location
    tags: tags
    tenantId: tenantId
    readerPrincipalId: identity.properties.principalId
    writerPrincipalId: writerPrincipalId
    writerPrincipalType: writerPrincipalType
    publicAccess: !isPrivate
    retentionInDays: retentionInDays
    workspaceId: workspaceId
  }
}

module storage 'storage.bicep' = {
  name: 'rotation-storage'
  params: {
    suffix: 'rot${suffix}'
    location: location
    tags: tags
    functionPrincipalId: identity.properties.principalId
    publicAccess: !isPrivate
  }
}

module adminVaultEndpoint 'endpoint.bicep' = if (isPrivate && byAdministrator) {
  name: 'admin-vault-endpoint'
  params: {
    name: 'pe-admin-vault-${suffix}'
    location: location
    tags: tags
    networkId: networkId
    subnetId: endpointSubnetId
    serviceId: byAdministrator ? adminVault!.outputs.vaultId : ''
    service: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
  }
}

module storageEndpoint 'endpoint.bicep' = if (isPrivate) {
  name: 'rotation-storage-endpoint'
  params: {
    name: 'pe-rotation-storage-${suffix}'
    location: location
    tags: tags
    networkId: networkId
    subnetId: endpointSubnetId
    serviceId: storage.outputs.accountId
    service: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
}

module app 'function.bicep' = {
  name: 'rotation-app'
  params: {
    name: 'func-${hostName}-rotation-${suffix}'
    suffix: 'rotation-${suffix}'
    location: location
    tags: tags
    service: 'rotation'
    pythonVersion: pythonVersion
    identityId: identity.id
    identityClientId: identity.properties.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: insightsConnectionString
    appSettings: rotationSettings
    subnetId: subnetId
    instanceMemoryMB: 512
    maximumInstanceCount: 40 // for a long time the smallest number that Azure's documentation named
    concurrencyPerInstance: 1
    publicAccess: publicAccess
  }
  // The host fetches its package and its keys from the storage when it starts.
  dependsOn: [
    storageEndpoint
    adminVaultEndpoint
  ]
}

module appEndpoint 'endpoint.bicep' = if (isPrivate && !publicAccess) {
  name: 'rotation-endpoint'
  params: {
    name: 'pe-rotation-${suffix}'
    location: location
    tags: tags
    networkId: networkId
    subnetId: endpointSubnetId
    serviceId: app.outputs.functionId
    service: 'sites'
    zoneName: 'privatelink.azurewebsites.net'
  }
}

module events 'rotation-events.bicep' = if (subscribes) {
  name: 'rotation-events'
  params: {
    suffix: suffix
    location: location
    tags: tags
    vaultId: vault.id
    functionAppId: app.outputs.functionId
  }
}

module alerts 'rotation-alerts.bicep' = if (!empty(actionGroupId)) {
  name: 'rotation-alerts'
  params: {
    suffix: suffix
    location: location
    tags: tags
    actionGroupId: actionGroupId
    workspaceId: workspaceId
    adminVaultId: byAdministrator ? adminVault!.outputs.vaultId : ''
  }
}

@description('The name of the function app, for func azure functionapp publish.')
output functionName string = app.outputs.functionName

@description('The URL that rotates on demand, with a function key.')
output rotateUrl string = 'https://${app.outputs.hostName}/rotate'

@description('The name of the administrator\'s vault, for az keyvault secret set; empty without one.')
output adminVaultName string = byAdministrator ? adminVault!.outputs.vaultName : ''

@description('Where the administrator\'s vault answers; empty without one.')
output adminVaultUrl string = byAdministrator ? adminVault!.outputs.vaultUrl : ''
