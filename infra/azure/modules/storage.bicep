// What the Functions host itself needs: a place for the deployed package and for its own leases. It has no keys.
metadata description = 'A storage account without shared keys, with the container that deployments go to.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The object id of the identity that the function runs as.')
param functionPrincipalId string

@description('Whether the storage answers on the internet, to those who have a role. Else through a private endpoint only.')
param publicAccess bool

// Storage Blob Data Owner: what the host needs on AzureWebJobsStorage, and enough to fetch the package.
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

var containerName = 'deployments'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: 'st${suffix}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}

resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, functionPrincipalId, blobDataOwner)
  properties: {
    principalId: functionPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
  }
}

@description('The resource id of the storage account.')
output accountId string = account.id

@description('The name of the storage account.')
output accountName string = account.name

@description('Where its blobs are.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('The container that deployments go to.')
output deploymentContainer string = container.name
