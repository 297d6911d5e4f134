// The API's registration in Entra, and who has its roles, by Bicep's Microsoft Graph extension. Deploy it before
// infra/azure; who deploys it needs the right to register applications and to assign their roles.
metadata description = 'The registration of the API that callers get tokens for, its app roles, and who has them.'

extension microsoftGraphV1

targetScope = 'resourceGroup'

@description('A short name, which is part of the Application ID URI; the name of the function\'s deployment will do.')
@minLength(2)
@maxLength(24)
param name string

@description('The URL of the MCP endpoint on a domain of your own that the tenant has verified, such as https://graph.contoso.com/mcp; empty for none. With it, MCP clients get a token with nothing but their id and secret.')
param publicUrl string = ''

@description('Who may read: the object ids of identities. Each gets the app role Graph.Read.')
param readers array = []

@description('Who may write: the object ids of identities. Each gets the app role Graph.Write.')
param writers array = []

@description('Whether Entra issues tokens only to identities that have a role. Switch it off where you admit agents by their blueprint: a published agent has a new identity, and no role.')
param assignmentRequired bool = true

@description('Client ids of applications that users need not consent to, such as an editor\'s or Foundry\'s own.')
param preAuthorizedClientIds array = []

var registration = loadJsonContent('registration.json')

// Entra allows api:// with the id of the tenant or of the application, and https:// with a verified domain. The id of the
// application is not known before it exists.
var identifierUri = 'api://${tenant().tenantId}/${toLower(name)}'
var noHttps = !empty(publicUrl) && !startsWith(publicUrl, 'https://')
var identifierUris = noHttps ? fail('publicUrl has to begin with https://.') : union(empty(publicUrl) ? [] : [
  publicUrl
], [
  identifierUri
])

resource api 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'neo4j-m2m-${toLower(name)}'
  displayName: 'neo4j-m2m ${name}'
  signInAudience: 'AzureADMyOrg'
  identifierUris: identifierUris
  api: union(registration.api, {
    preAuthorizedApplications: map(preAuthorizedClientIds, each => {
      appId: each
      delegatedPermissionIds: map(registration.api.oauth2PermissionScopes, scope => scope.id)
    })
  })
  appRoles: registration.appRoles
  optionalClaims: registration.optionalClaims
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: api.appId
  appRoleAssignmentRequired: assignmentRequired
}

resource reads 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for reader in readers: {
  appRoleId: filter(registration.appRoles, role => role.value == 'Graph.Read')[0].id
  principalId: reader
  resourceId: principal.id
}]

resource writes 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [for writer in writers: {
  appRoleId: filter(registration.appRoles, role => role.value == 'Graph.Write')[0].id
  principalId: writer
  resourceId: principal.id
}]

@description('The client id of the registration: apiClientId of infra/azure (azd: API_CLIENT_ID).')
output apiClientId string = api.appId

@description('The Application ID URI: audience of infra/azure (azd: AUDIENCE).')
output audience string = identifierUris[0]
