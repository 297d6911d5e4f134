// A private endpoint of one service, and the name by which the network finds it.
metadata description = 'A private endpoint with its private DNS zone.'

@description('The name of the endpoint.')
param name string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The resource id of the network that finds the service by the zone.')
param networkId string

@description('The resource id of the subnet that the endpoint is in.')
param subnetId string

@description('The resource id of the service.')
param serviceId string

@description('What of the service the endpoint is for, as Azure calls it: vault, blob, sites.')
param service string

@description('The private DNS zone of such services.')
param zoneName string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zoneName
  location: 'global'
  tags: tags
}

resource zoneLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: 'function'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: serviceId
          groupIds: [
            service
          ]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: {
          privateDnsZoneId: zone.id
        }
      }
    ]
  }
}

@description('The resource id of the endpoint.')
output endpointId string = endpoint.id
