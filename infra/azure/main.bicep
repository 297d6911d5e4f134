// Everything that the function on Azure needs, in one resource group. No value here or in its outputs is a secret:
// the database credential is put into the vault afterwards, and identities do the rest. docs/azure.md walks through it.
metadata description = 'neo4j-m2m as an Azure Function: identity, vault, storage, logs, the function app and, if asked for, the rotation.'

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

@description('The URL of the MCP endpoint on a domain of your own, such as https://graph.contoso.com/mcp; empty for the one that Azure gives. The domain must be a verified one of the tenant.')
param publicUrl string = ''

@description('The Application ID URI of the API\'s registration: the audience of the callers\' tokens. If empty, it is publicUrl, with which MCP clients get a token with nothing but their id and secret, or else api:// and apiClientId.')
param audience string = ''

@description('How callers prove who they are.')
@allowed([
  'entra'
  'function_key'
  'api_key'
])
param callerAuth string = 'entra'

@description('The client ids that may call: of the Foundry project\'s identity, of service principals, of applications that users sign in to.')
param clientIds array = []

@description('More client ids, as one text with commas between them; azd can set no list.')
param clientIdList string = ''

@description('The blueprints whose agents may call, by application id. An agent keeps its blueprint when it is published and gets a new identity.')
param blueprintIds array = []

@description('More blueprints, as one text with commas between them.')
param blueprintIdList string = ''

@description('App roles or scopes; a token must have one of them.')
param requiredRoles array = [
  'Graph.Read'
  'Graph.Write'
]

@description('Whether tokens that act for a user are accepted, too (OAuth identity passthrough, or the user\'s Entra token). A text, since azd can set nothing else.')
@allowed([
  'false'
  'true'
])
param acceptUsers string = 'false'

@description('Who may do what, as TOML. If empty, policy.toml beside this file.')
param policy string = ''

@description('The principal of callers in mode function_key.')
param functionKeyPrincipal string = ''

@description('The name of the secret with the database credential: Aura\'s file as it is, or JSON.')
@minLength(1)
@maxLength(127)
param secretName string = 'neo4j-credential'

@description('The name of the secret with the hashes of API keys; empty for no API keys.')
@maxLength(127)
param keysSecretName string = ''

@description('Whether App Service verifies tokens before the function does. Only used in mode entra without API keys and blueprints, since App Service knows neither. It answers discovery itself then, by a preview.')
@allowed([
  'false'
  'true'
])
param easyAuth string = 'false'

@description('The object id of the person, group or service principal that writes the secrets, which gets the role Key Vault Secrets Officer; empty for nobody.')
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
  '3.12'
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

@description('public: vault and storage answer on the internet, to identities with a role. private: they have only private endpoints, and the function has a network and a fixed outbound address.')
@allowed([
  'public'
  'private'
])
param network string = 'public'

@description('public: the function answers on the internet. private: it answers through a private endpoint in its network only, and so does publishing; it needs network to be private.')
@allowed([
  'public'
  'private'
])
param inbound string = 'public'

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

@description('Whether and how a function app of its own rotates the database credential. two_users: no call waits. single_user: calls that log in then may.')
@allowed([
  'off'
  'two_users'
  'single_user'
])
param rotation string = 'off'

@description('Days from one rotation to the next.')
@minValue(1)
@maxValue(3620)
param rotationDays int = 30

@description('The names of the secrets that are rotated, with commas between them; if empty, secretName. Each has database users of its own.')
param rotatedSecrets string = ''

@description('The name of the secret with the credential of the database\'s administrator, in a vault of its own, which only the rotation reads. single_user needs none.')
@minLength(1)
@maxLength(127)
param adminSecretName string = 'neo4j-administrator'

@description('Whether Event Grid tells the rotation of secrets near their expiry. Set it to true, and deploy again, once the package is published to the rotation\'s function app.')
@allowed([
  'false'
  'true'
])
param rotationEvents string = 'false'

@description('The resource id of the Foundry project that gets a connection to the function; empty for none. azd asks for it.')
param foundryProjectId string

@description('Who calls through the connection; the ways that need a secret are in infra/foundry/connection.bicep.')
@allowed([
  'project_identity'
  'agent_identity'
  'user_token'
])
param foundryProof string = 'project_identity'

@description('The name of the connection.')
param foundryConnectionName string = 'neo4j'

// GUIDs are the same in capitals; App Service compares them letter by letter, and Entra writes small ones.
var clients = map(union(clientIds, filter(map(split(clientIdList, ','), each => trim(each)), each => !empty(each))), each => toLower(each))
var blueprints = map(union(blueprintIds, filter(map(split(blueprintIdList, ','), each => trim(each)), each => !empty(each))), each => toLower(each))
var named = union(clients, blueprints, [
  tenantId
], filter([
  apiClientId
  secretsOfficerId
], each => !empty(each)))
var noGuids = filter(named, each => join(map(split(each, '-'), part => string(length(part))), '-') != '8-4-4-4-12')
var byToken = callerAuth == 'entra'
var rotates = rotation != 'off'
var rotated = empty(rotatedSecrets) ? [
  secretName
] : map(split(rotatedSecrets, ','), each => trim(each))

// Whatever cannot work is said here, before anything is created; each text ends as a sentence.
var problems = filter([
  empty(noGuids) ? '' : 'These are not ids of the form that Entra has (8-4-4-4-12 digits): "${join(noGuids, '", "')}". Look at clientIds, clientIdList (azd: CALLER_CLIENT_IDS, with commas between several), blueprintIds, blueprintIdList, apiClientId, tenantId and secretsOfficerId.'
  byToken && empty(apiClientId) ? 'apiClientId (azd: API_CLIENT_ID) is empty, and callerAuth is entra: set it to the client id of the API\'s registration.' : ''
  byToken && empty(clients) && empty(blueprints) ? 'Nobody may call: list client ids in clientIds (azd: CALLER_CLIENT_IDS) or blueprints in blueprintIds (azd: CALLER_BLUEPRINT_IDS).' : ''
  callerAuth == 'api_key' && empty(keysSecretName) ? 'callerAuth is api_key: set keysSecretName (azd: KEYS_SECRET_NAME) to the name of the secret with the keys\' hashes.' : ''
  callerAuth == 'function_key' && empty(functionKeyPrincipal) ? 'callerAuth is function_key: set functionKeyPrincipal (azd: FUNCTION_KEY_PRINCIPAL), as whom the policy is to know the callers.' : ''
  callerAuth == 'function_key' && !empty(keysSecretName) ? 'callerAuth is function_key, which knows no API keys: leave keysSecretName empty.' : ''
  inbound == 'private' && network != 'private' ? 'inbound is private, and there is no network: set network to private, too.' : ''
  empty(publicUrl) || startsWith(publicUrl, 'https://') ? '' : 'publicUrl has to begin with https://.'
  rotates && contains(rotated, '') ? 'rotatedSecrets (azd: ROTATED_SECRETS) names a secret without a name: write the names with one comma between two.' : ''
  rotates && contains(rotated, adminSecretName) ? 'rotatedSecrets names the administrator\'s secret, which is in another vault: rotate only what the server reads.' : ''
  rotates && !empty(keysSecretName) && contains(rotated, keysSecretName) ? 'rotatedSecrets names the secret with the API keys, which is not a login of the database.' : ''
  rotationEvents == 'true' && !rotates ? 'rotationEvents is true, and nothing rotates: set rotation (azd: ROTATION), too.' : ''
  rotationEvents == 'true' && inbound == 'private' ? 'rotationEvents is true, and inbound is private: Event Grid reaches no app that is private. Leave it false; the daily timer rotates without events.' : ''
  empty(alertEmail) || contains(alertEmail, '@') ? '' : 'alertEmail is not a mail address.'
  empty(foundryProjectId) || length(split(foundryProjectId, '/')) == 11 && contains(toLower(foundryProjectId), '/providers/microsoft.cognitiveservices/accounts/') ? '' : 'foundryProjectId (azd: FOUNDRY_PROJECT_ID) is not the resource id of a project: /subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/…/projects/… .'
], each => !empty(each))

var suffix = empty(problems) ? uniqueString(resourceGroup().id, name) : fail(join(problems, ' '))
var hostName = toLower(replace(replace(name, '_', '-'), '.', '-'))
var isPrivate = network == 'private'
var tenantName = toLower(tenantId)
var loginUrl = '${environment().authentication.loginEndpoint}${tenantName}'
var tokenIssuer = '${loginUrl}/v2.0'
var appOnly = acceptUsers == 'true' ? 'false' : 'true'
var apiAudience = !empty(audience) ? audience : empty(publicUrl) ? 'api://${apiClientId}' : publicUrl
var audiences = union([
  apiAudience
], [
  'api://${apiClientId}'
  apiClientId
])
var projectPath = split(foundryProjectId, '/')

// A JSON array of texts is a TOML array of texts, too. Because of the first line, the text does not begin with a bracket,
// which would mark an expression of Resource Manager.
var issuers = join(concat([
  '# Written by main.bicep.'
  '[[issuer]]'
  'name = "entra"'
  'platform = "azure"'
  'issuer = ["${tokenIssuer}", "https://sts.windows.net/${tenantName}/"]'
  'audience = ${string(audiences)}'
  'roles = ${string(requiredRoles)}'
  'tenant = "${tenantName}"'
  'app_only = ${appOnly}'
], empty(clients) ? [] : [
  'clients = ${string(clients)}'
], empty(blueprints) ? [] : [
  'blueprints = ${string(blueprints)}'
]), '\n')

var policyText = empty(policy) ? replace(loadTextContent('policy.toml'), 'TENANT', tenantName) : policy

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
    publicAccess: !isPrivate
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

module privateNetwork 'modules/private.bicep' = if (isPrivate) {
  name: 'private'
  params: {
    suffix: suffix
    location: location
    tags: tags
    addressPrefix: addressPrefix
    rotates: rotates
    vaultId: vault.outputs.vaultId
    storageId: storage.outputs.accountId
  }
}

module function 'modules/function.bicep' = {
  name: 'function'
  params: {
    name: 'func-${hostName}-${suffix}'
    suffix: suffix
    location: location
    tags: tags
    service: 'mcp'
    pythonVersion: pythonVersion
    identityId: identity.id
    identityClientId: identity.properties.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: monitoring.outputs.connectionString
    appSettings: union(moreSettings, serverSettings)
    subnetId: isPrivate ? privateNetwork!.outputs.functionSubnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    concurrencyPerInstance: concurrencyPerInstance
    easyAuth: easyAuth == 'true' && byToken && empty(keysSecretName) && empty(blueprints)
    publicAccess: inbound == 'public'
    publicUrl: publicUrl
    tokenScope: '${apiAudience}/.default'
    tokenIssuer: tokenIssuer
    apiClientId: apiClientId
    audiences: audiences
    clientIds: clients
  }
  // The host fetches its package and its keys from the storage when it starts.
  dependsOn: [
    privateNetwork
  ]
}

module functionEndpoint 'modules/endpoint.bicep' = if (isPrivate && inbound == 'private') {
  name: 'function-endpoint'
  params: {
    name: 'pe-function-${suffix}'
    location: location
    tags: tags
    networkId: privateNetwork!.outputs.networkId
    subnetId: privateNetwork!.outputs.endpointSubnetId
    serviceId: function.outputs.functionId
    service: 'sites'
    zoneName: 'privatelink.azurewebsites.net'
  }
}

module foundry '../foundry/connection.bicep' = if (!empty(foundryProjectId)) {
  name: 'foundry-${suffix}'
  scope: resourceGroup(empty(foundryProjectId) ? subscription().subscriptionId : projectPath[2], empty(foundryProjectId) ? resourceGroup().name : projectPath[4])
  params: {
    foundryName: empty(foundryProjectId) ? '' : projectPath[8]
    projectName: empty(foundryProjectId) ? '' : projectPath[10]
    connectionName: foundryConnectionName
    mcpUrl: function.outputs.mcpUrl
    proof: foundryProof
    audience: apiAudience
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

module rotationApp 'modules/rotation.bicep' = if (rotates) {
  name: 'rotation'
  params: {
    suffix: suffix
    hostName: hostName
    location: location
    tags: tags
    mode: rotation
    rotatedSecrets: join(rotated, ',')
    everyDays: rotationDays
    adminSecretName: adminSecretName
    vaultName: vault.outputs.vaultName
    vaultUrl: vault.outputs.vaultUrl
    tenantId: tenant().tenantId
    writerPrincipalId: secretsOfficerId
    writerPrincipalType: secretsOfficerType
    retentionInDays: vaultRetentionDays
    insightsName: monitoring.outputs.insightsName
    insightsConnectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    pythonVersion: pythonVersion
    isPrivate: isPrivate
    networkId: isPrivate ? privateNetwork!.outputs.networkId : ''
    endpointSubnetId: isPrivate ? privateNetwork!.outputs.endpointSubnetId : ''
    subnetId: isPrivate ? privateNetwork!.outputs.rotationSubnetId : ''
    publicAccess: inbound == 'public'
    subscribes: rotationEvents == 'true'
    actionGroupId: empty(alertEmail) ? '' : alerts!.outputs.actionGroupId
  }
  // Its endpoints are in the same DNS zones, which are not to be written at the same time.
  dependsOn: [
    functionEndpoint
  ]
}

@description('The name of the function app, for func azure functionapp publish.')
output functionName string = function.outputs.functionName

@description('The URL that an MCP client, and Foundry, calls.')
output mcpUrl string = function.outputs.mcpUrl

@description('The URL that says whether the function is up; it needs no authentication.')
output healthUrl string = 'https://${function.outputs.hostName}/health'

@description('The audience to enter in Foundry, and to request tokens for.')
output audience string = apiAudience

@description('The scope that a client requests from the token endpoint.')
output tokenScope string = '${apiAudience}/.default'

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

@description('Whether the rotation is deployed; azd publishes its package then.')
output rotates bool = rotates

@description('The name of the rotation\'s function app, for func azure functionapp publish; empty if nothing rotates.')
output rotationFunctionName string = rotates ? rotationApp!.outputs.functionName : ''

@description('The URL that rotates on demand, with a key of the rotation\'s function app; empty if nothing rotates.')
output rotateUrl string = rotates ? rotationApp!.outputs.rotateUrl : ''

@description('The URL of the vault, for neo4j-m2m bootstrap.')
output vaultUrl string = vault.outputs.vaultUrl

@description('The name of the administrator\'s vault, for az keyvault secret set; empty without one.')
output adminVaultName string = rotates ? rotationApp!.outputs.adminVaultName : ''

@description('The URL of the administrator\'s vault, for neo4j-m2m bootstrap; empty without one.')
output adminVaultUrl string = rotates ? rotationApp!.outputs.adminVaultUrl : ''

@description('The name that the secret with the administrator\'s credential must have.')
output administratorSecretName string = adminSecretName
