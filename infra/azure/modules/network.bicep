// For a vault that is not on the internet, and for a fixed address of the function, which Aura's or a self-hosted
// Neo4j's allow-list can name.
metadata description = 'A virtual network for the function and its private endpoints, and a fixed outbound address.'

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

// A Flex Consumption app integrates with a subnet of this kind; the resource provider Microsoft.App must be registered.
var delegations = [
  {
    name: 'function'
    properties: {
      serviceName: 'Microsoft.App/environments'
    }
  }
]

// Of its own, so that the server's instances cannot take the addresses that a rotation needs. It leaves by the same
// gateway, and so by the address that the database's allow-list names.
var rotationSubnets = rotates ? [
  {
    name: 'rotation'
    properties: {
      addressPrefix: cidrSubnet(addressPrefix, 26, 2)
      natGateway: {
        id: nat.id
      }
      delegations: delegations
    }
  }
] : []

resource address 'Microsoft.Network/publicIPAddresses@2024-05-01' = {
  name: 'pip-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

resource nat 'Microsoft.Network/natGateways@2024-05-01' = {
  name: 'nat-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: concat([
      {
        name: 'function'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          natGateway: {
            id: nat.id
          }
          delegations: delegations
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
        }
      }
    ], rotationSubnets)
  }
}

resource functionSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'function'
}

resource endpointSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  parent: network
  name: 'endpoints'
}

@description('The resource id of the network.')
output networkId string = network.id

@description('The resource id of the subnet for private endpoints.')
output endpointSubnetId string = endpointSubnet.id

@description('The resource id of the subnet that the function integrates with.')
output functionSubnetId string = functionSubnet.id

@description('The resource id of the subnet that the rotation integrates with; empty without one.')
output rotationSubnetId string = rotates ? '${network.id}/subnets/rotation' : ''

@description('The address from which the function connects to the database.')
output outboundAddress string = address.properties.ipAddress
