// What takes the server's vault and storage off the internet: a network, and a private endpoint of each.
metadata description = 'A virtual network with private endpoints of the vault and the storage.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The addresses of the network; at least a /24.')
param addressPrefix string

@description('Whether there is a subnet for the rotation, too.')
param rotates bool

@description('The resource id of the vault.')
param vaultId string

@description('The resource id of the storage account.')
param storageId string

module network 'network.bicep' = {
  name: 'network'
  params: {
    suffix: suffix
    location: location
    tags: tags
    addressPrefix: addressPrefix
    rotates: rotates
  }
}

module vaultEndpoint 'endpoint.bicep' = {
  name: 'vault-endpoint'
  params: {
    name: 'pe-vault-${suffix}'
    location: location
    tags: tags
    networkId: network.outputs.networkId
    subnetId: network.outputs.endpointSubnetId
    serviceId: vaultId
    service: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
  }
}

module storageEndpoint 'endpoint.bicep' = {
  name: 'storage-endpoint'
  params: {
    name: 'pe-storage-${suffix}'
    location: location
    tags: tags
    networkId: network.outputs.networkId
    subnetId: network.outputs.endpointSubnetId
    serviceId: storageId
    service: 'blob'
    zoneName: 'privatelink.blob.${environment().suffixes.storage}'
  }
}

@description('The resource id of the network.')
output networkId string = network.outputs.networkId

@description('The resource id of the subnet for private endpoints.')
output endpointSubnetId string = network.outputs.endpointSubnetId

@description('The resource id of the subnet that the function integrates with.')
output functionSubnetId string = network.outputs.functionSubnetId

@description('The resource id of the subnet that the rotation integrates with; empty without one.')
output rotationSubnetId string = network.outputs.rotationSubnetId

@description('The address from which the function and the rotation connect to the database.')
output outboundAddress string = network.outputs.outboundAddress
