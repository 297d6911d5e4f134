// Everything that the function on Azure needs, in one resource group. No value here or in its outputs is a secret:
// the database credential is put into the vault afterwards, and identities do the rest. docs/azure.md walks through it.
metadata description = 'neo4j-m2m as an Azure Function: identity, vault, storage, logs and the function app.'

targetScope = 'resourceGroup'

@description('A short name for all resources; azd uses the name of its environment.')
@minLength(2)
@maxLength(24)
param name string

@description('The region. Flex Consumption is not in all of them: az functionapp list-flexconsumption-locations.')
param location string = resourceGroup().location

@description('Tags of every resource.')
param tags object = {}

@description('The tenant that issues the callers\' tokens.')
param tenantId string = tenant().tenantId

@description('The application (client) id of the API\'s registration in Entra. Needed if callerAuth is entra.')
param apiClientId string = ''

@description('The Application ID URI of the API\'s registration: the audience of the callers\' tokens.')
param audience string = 'api://${apiClientId}'

@description('How callers prove who they are.')
@allowed([
  'entra'
  'function_key'
  'api_key'
])
param callerAuth string = 'entra'

@description('The client ids that may call: of the Foundry project\'s identity, of its agents\' identities, of service principals. If the list is empty, no token is accepted and the function does not start.')
param clientIds array = []

@description('App roles or scopes; a token must have one of them.')
param requiredRoles array = [
  'Graph.Read'
  'Graph.Write'
]

@description('Whether tokens that act for a user are accepted, too (OAuth identity passthrough).')
param acceptUsers bool = false

@description('Who may do what, as TOML. If empty, policy.toml beside this file.')
param policy string = ''

@description('The principal of callers in mode function_key.')
param functionKeyPrincipal string = ''

@description('The name of the secret with the database credential: Aura\'s file as it is, or JSON.')
param secretName string = 'neo4j-credential'

@description('The name of the secret with the hashes of API keys; empty for no API keys.')
param keysSecretName string = ''

@description('Whether App Service verifies tokens before the function does. Only used in mode entra without API keys, since App Service does not know the keys.')
param easyAuth bool = true

@description('The object id of the person or group that writes the secrets, which gets the role Key Vault Secrets Officer; empty for nobody.')
param secretsOfficerId string = ''

@description('The kind of secretsOfficerId.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param secretsOfficerType string = 'User'

@description('The Python of the function.')
@allowed([
  '3.11'
  '3.13'
])
param pythonVersion string = '3.13'

@description('Memory of one instance, which sets its share of processors.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Instances that may exist at the same time. This number times poolSize is the maximum number of connections to the database.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that always run, and cost money, so that nobody waits for a cold start.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int = 0

@description('Requests that one instance answers at the same time.')
@minValue(1)
@maxValue(1000)
param concurrencyPerInstance int = 16

@description('Maximum number of connections from one instance to the database.')
@minValue(1)
@maxValue(1000)
param poolSize int = 5

@description('More settings of the server by their full names, such as NEO4J_M2M_MAX_ROWS. Never a credential.')
param moreSettings object = {}

@description('public: the vault answers on the internet, to identities with a role. private: it has only a private endpoint, and the function has a network and a fixed outbound address.')
@allowed([
  'public'
  'private'
])
param network string = 'public'

@description('The addresses of the network, if it is private; at least a /24.')
param addressPrefix string = '10.83.0.0/24'

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Days for which a deleted vault or secret can be recovered, nobody can purge it, and its name cannot be used again. It cannot be changed later.')
@minValue(7)
@maxValue(90)
param vaultRetentionDays int = 90

@description('Who gets a mail when calls fail or are slow, or when the vault refuses; empty for no alerts.')
param alertEmail string = ''

@description('Number of failed calls within fifteen minutes that causes a mail.')
@minValue(0)
param alertFailedCalls int = 5

@description('Milliseconds within which 95 of 100 calls should be answered.')
@minValue(1)
param alertSlowMilliseconds int = 5000

var suffix = uniqueString(resourceGroup().id, name)
var isPrivate = network == 'private'
var loginUrl = '${environment().authentication.loginEndpoint}${tenantId}'
var tokenIssuer = '${loginUrl}/v2.0'
var appOnly = acceptUsers ? 'false' : 'true'

// A JSON array of texts is a TOML array of texts, too. Because of the first line, the text does not begin with a bracket,
// which would mark an expression of Resource Manager.
var issuers = join([
  '# Written by main.bicep.'
  '[[issuer]]'
  'name = "entra"'
  'platform = "azure"'
  'issuer = ["${tokenIssuer}", "https://sts.windows.net/${tenantId}/"]'
  'audience = ["${audience}", "${apiClientId}"]'
  'clients = ${string(clientIds)}'
  'roles = ${string(requiredRoles)}'
  'tenant = "${tenantId}"'
  'app_only = ${appOnly}'
], '\n')

var policyText = empty(policy) ? replace(loadTextContent('policy.toml'), 'TENANT', tenantId) : policy

var serverSettings = {
  NEO4J_M2M_CALLER_AUTH: callerAuth
  NEO4J_M2M_ISSUERS: callerAuth == 'entra' ? issuers : ''
  NEO4J_M2M_POLICY: policyText
  NEO4J_M2M_FUNCTION_KEY_PRINCIPAL: functionKeyPrincipal
  NEO4J_M2M_IDENTITY_CLIENT_ID: identity.properties.clientId
  NEO4J_M2M_VAULT_URL: vault.outputs.vaultUrl
  NEO4J_M2M_SECRET: secretName
  NEO4J_M2M_KEYS_SECRET: keysSecretName
  NEO4J_M2M_POOL_SIZE: string(poolSize)
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${suffix}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    suffix: suffix
    location: location
    tags: tags
    publisherPrincipalId: identity.properties.principalId
    retentionInDays: logRetentionDays
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    suffix: suffix
    location: location
    tags: tags
    functionPrincipalId: identity.properties.principalId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    suffix: suffix
    location: location
    tags: tags
    tenantId: tenant().tenantId
    readerPrincipalId: identity.properties.principalId
    writerPrincipalId: secretsOfficerId
    writerPrincipalType: secretsOfficerType
    publicAccess: !isPrivate
    retentionInDays: vaultRetentionDays
    workspaceId: monitoring.outputs.workspaceId
  }
}

module privateNetwork 'modules/network.bicep' = if (isPrivate) {
  name: 'network'
  params: {
    suffix: suffix
    location: location
    tags: tags
    addressPrefix: addressPrefix
    vaultId: vault.outputs.vaultId
  }
}

module function 'modules/function.bicep' = {
  name: 'function'
  params: {
    name: 'func-${name}-${suffix}'
    suffix: suffix
    location: location
    tags: tags
    pythonVersion: pythonVersion
    identityId: identity.id
    identityClientId: identity.properties.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: monitoring.outputs.connectionString
    serverSettings: union(moreSettings, serverSettings)
    subnetId: isPrivate ? privateNetwork!.outputs.functionSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    concurrencyPerInstance: concurrencyPerInstance
    easyAuth: easyAuth && callerAuth == 'entra' && empty(keysSecretName)
    tokenIssuer: tokenIssuer
    apiClientId: apiClientId
    audiences: [
      audience
      apiClientId
    ]
    clientIds: clientIds
  }
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail)) {
  name: 'alerts'
  params: {
    suffix: suffix
    location: location
    tags: tags
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    vaultId: vault.outputs.vaultId
    failedCalls: alertFailedCalls
    slowMilliseconds: alertSlowMilliseconds
  }
}

@description('The name of the function app, for func azure functionapp publish.')
output functionName string = function.outputs.functionName

@description('The URL that an MCP client, and Foundry, calls.')
output mcpUrl string = 'https://${function.outputs.hostName}/mcp'

@description('The URL that says whether the function is up; it needs no authentication.')
output healthUrl string = 'https://${function.outputs.hostName}/health'

@description('The audience to enter in Foundry, and to request tokens for.')
output audience string = audience

@description('The scope that a client requests from the token endpoint.')
output tokenScope string = '${audience}/.default'

@description('The token endpoint, for OAuth identity passthrough in Foundry (also as its refresh URL).')
output tokenUrl string = '${loginUrl}/oauth2/v2.0/token'

@description('The authorization endpoint, for OAuth identity passthrough in Foundry.')
output authorizationUrl string = '${loginUrl}/oauth2/v2.0/authorize'

@description('The name of the vault, for az keyvault secret set.')
output vaultName string = vault.outputs.vaultName

@description('The name that the secret with the database credential must have.')
output credentialSecretName string = secretName

@description('The client id of the identity that the function runs as.')
output identityClientId string = identity.properties.clientId

@description('The object id of the identity that the function runs as.')
output identityPrincipalId string = identity.properties.principalId

@description('The name of the Application Insights component with the audit lines.')
output insightsName string = monitoring.outputs.insightsName

@description('The address from which the function connects to the database; empty if it has no fixed one.')
output outboundAddress string = isPrivate ? privateNetwork!.outputs.outboundAddress : ''

@description('The maximum number of connections to the database: instances times connections of each.')
output connectionBudget int = maximumInstanceCount * poolSize
