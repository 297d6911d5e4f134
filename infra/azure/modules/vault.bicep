// A vault for one reader: the server's, with the database credential and, if API keys are used, their hashes; or that of
// the rotation, with the administrator's. It holds nothing else, so the role may be given on the whole vault. Azure
// advises against roles on single secrets if an application has a vault of its own:
// https://learn.microsoft.com/azure/key-vault/general/rbac-guide .
metadata description = 'A Key Vault with role-based access, soft delete and purge protection, that one identity may read.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The tenant of the vault.')
param tenantId string

@description('The object id of the identity that reads the secrets.')
param readerPrincipalId string

@description('The object id of the person or group that writes the secrets; empty for nobody.')
param writerPrincipalId string

@description('The kind of the writer.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param writerPrincipalType string

@description('Whether the vault answers on the internet, to identities with a role. If not, only through a private endpoint.')
param publicAccess bool

@description('Days for which a deleted vault or secret can be recovered, and its name cannot be used again.')
param retentionInDays int

@description('The resource id of the workspace that logs who read or changed which secret.')
param workspaceId string

// Key Vault Secrets User: reads secrets. Key Vault Secrets Officer: writes them, but gives no roles.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: 'kv-${suffix}'
  location: location
  tags: tags
  properties: {
    tenantId: tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: retentionInDays
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, readerPrincipalId, secretsUser)
  properties: {
    principalId: readerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

resource writer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(writerPrincipalId)) {
  scope: vault
  name: guid(vault.id, writerPrincipalId, secretsOfficer)
  properties: {
    principalId: writerPrincipalId
    principalType: writerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

@description('The resource id of the vault.')
output vaultId string = vault.id

@description('The name of the vault.')
output vaultName string = vault.name

@description('Where the vault answers.')
output vaultUrl string = vault.properties.vaultUri
