// The connection of a Foundry project to the function, by each kind of proof that an agent may bring. Its form
// follows https://github.com/microsoft-foundry/foundry-samples , the templates of connections to remote tools.
//
// The compiler warns (BCP036, BCP037) and still deploys: Azure's published types of connections (of August 2026) do not
// have the category RemoteTool, the authTypes ProjectManagedIdentity, AgenticIdentityToken and UserEntraToken, audience,
// authorizationUrl, tokenUrl, refreshUrl and scopes. The source that has them is azd's own schema of connections,
// https://github.com/Azure/azure-dev .
metadata description = 'A connection of a Microsoft Foundry project to the MCP server.'

targetScope = 'resourceGroup'

@description('The Foundry resource.')
param foundryName string

@description('The project in it.')
param projectName string

@description('The name of the connection for agents (project_connection_id).')
param connectionName string = 'neo4j'

@description('The MCP endpoint: the output mcpUrl of the function\'s deployment.')
param mcpUrl string

@description('Who calls: the project\'s managed identity, the agent\'s own identity, the user by OAuth (a registration with a secret), the user by the Entra token that Foundry has of them already (no secret), or whoever has a key.')
@allowed([
  'project_identity'
  'agent_identity'
  'user'
  'user_token'
  'key'
])
param proof string = 'project_identity'

@description('For all but key: the output audience of the function\'s deployment.')
param audience string = ''

@description('For key: the header that carries it. X-API-Key for keys of this server, x-functions-key for those of the Functions host.')
@allowed([
  'X-API-Key'
  'x-functions-key'
])
param keyHeader string = 'X-API-Key'

@description('For key: the key.')
@secure()
param key string = ''

@description('For user: the client id of the registration that users sign in to. It must be among the function\'s clientIds.')
param clientId string = ''

@description('For user: the secret of that registration.')
@secure()
param clientSecret string = ''

@description('For user: the output authorizationUrl of the function\'s deployment.')
param authorizationUrl string = ''

@description('For user: the output tokenUrl of the function\'s deployment.')
param tokenUrl string = ''

@description('For user: the requested scopes. offline_access makes Entra issue a refresh token.')
param scopes array = [
  '${audience}/Graph.Read'
  'offline_access'
]

// Without an audience the scopes would be those of nothing, and Foundry would ask for a token that nobody accepts.
var target = proof != 'key' && empty(audience) ? fail('audience is empty: it is needed for every proof but key.') : mcpUrl

resource foundry 'Microsoft.CognitiveServices/accounts@2025-04-01-preview' existing = {
  name: foundryName
}

resource project 'Microsoft.CognitiveServices/accounts/projects@2025-04-01-preview' existing = {
  parent: foundry
  name: projectName
}

resource byProjectIdentity 'Microsoft.CognitiveServices/accounts/projects/connections@2025-04-01-preview' = if (proof == 'project_identity') {
  parent: project
  name: connectionName
  properties: {
    category: 'RemoteTool'
    target: target
    isSharedToAll: true
    authType: 'ProjectManagedIdentity'
    audience: audience
    credentials: {}
    metadata: {
      ApiType: 'Azure'
    }
  }
}

resource byAgentIdentity 'Microsoft.CognitiveServices/accounts/projects/connections@2025-04-01-preview' = if (proof == 'agent_identity') {
  parent: project
  name: connectionName
  properties: {
    category: 'RemoteTool'
    target: target
    isSharedToAll: true
    authType: 'AgenticIdentityToken'
    audience: audience
    credentials: {}
    metadata: {
      ApiType: 'Azure'
    }
  }
}

resource byUser 'Microsoft.CognitiveServices/accounts/projects/connections@2025-04-01-preview' = if (proof == 'user') {
  parent: project
  name: connectionName
  properties: {
    category: 'RemoteTool'
    target: target
    isSharedToAll: true
    authType: 'OAuth2'
    authorizationUrl: authorizationUrl
    tokenUrl: tokenUrl
    refreshUrl: tokenUrl
    scopes: scopes
    credentials: {
      clientId: clientId
      clientSecret: clientSecret
    }
    metadata: {
      ApiType: 'Azure'
    }
  }
}

resource byUserToken 'Microsoft.CognitiveServices/accounts/projects/connections@2025-04-01-preview' = if (proof == 'user_token') {
  parent: project
  name: connectionName
  properties: {
    category: 'RemoteTool'
    target: target
    isSharedToAll: true
    authType: 'UserEntraToken'
    audience: audience
    credentials: {}
    metadata: {
      ApiType: 'Azure'
    }
  }
}

resource byKey 'Microsoft.CognitiveServices/accounts/projects/connections@2025-04-01-preview' = if (proof == 'key') {
  parent: project
  name: connectionName
  properties: {
    category: 'RemoteTool'
    target: target
    isSharedToAll: true
    authType: 'CustomKeys'
    credentials: {
      keys: {
        '${keyHeader}': key
      }
    }
    metadata: {
      ApiType: 'Azure'
    }
  }
}

@description('The id of the project\'s own identity (its object id); the function\'s policy knows it by this id.')
output projectPrincipalId string = project.identity.principalId
