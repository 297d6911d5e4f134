// Event Grid tells the rotation of secrets that are near their expiry. It looks up the function when this is deployed,
// so the package has to be published first. Where the destination is a function, Event Grid fetches the function's key
// itself and proves the endpoint: https://learn.microsoft.com/azure/event-grid/handler-functions .
metadata description = 'A subscription of the rotation to the events of the vault.'

@description('The end of every name.')
param suffix string

@description('The region; that of the vault.')
param location string

@description('Tags of every resource.')
param tags object

@description('The resource id of the vault whose secrets are rotated.')
param vaultId string

@description('The resource id of the function app that rotates.')
param functionAppId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgt-${suffix}'
  location: location
  tags: tags
  properties: {
    source: vaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'rotation'
  properties: {
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.SecretNearExpiry'
        'Microsoft.KeyVault.SecretExpired'
      ]
    }
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/near_expiry'
        maxEventsPerBatch: 1
      }
    }
    // A day of tries. After that the timer rotates.
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
