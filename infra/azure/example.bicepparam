// For az deployment group create. Copy it, fill it in, keep it: nothing in it is a secret.
using 'main.bicep'

param name = 'flights'
param apiClientId = '00000000-0000-0000-0000-000000000000'
param clientIds = [
  '00000000-0000-0000-0000-000000000001' // the Foundry project's identity
]
param blueprintIds = [
  '00000000-0000-0000-0000-000000000002' // the blueprint of the project's agents, which a published agent keeps
]
param secretsOfficerId = '00000000-0000-0000-0000-000000000003'
param alertEmail = 'graph-operators@example.com'
param rotation = 'off' // two_users, or single_user: docs/rotation.md
param rotationEvents = 'false' // true, once the rotation's package is published
param foundryProjectId = '' // the Foundry project that gets the connection; empty for none
