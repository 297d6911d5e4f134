// Three alerts about the rotation, each about something that a person has to fix.
metadata description = 'Mail when a rotation fails, when its timer does not run, and when a stranger asks the administrator\'s vault.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('The resource id of the group that gets the mails.')
param actionGroupId string

@description('The resource id of the workspace with the rotation\'s requests.')
param workspaceId string

@description('The resource id of the administrator\'s vault; empty without one.')
param adminVaultId string

resource failures 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'rotation-failed-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'neo4j-m2m: the credential was not rotated'
    description: 'A rotation failed. The servers go on with the credential that they have. Look for "was not rotated" in the traces, do what the message says, then rotate again.'
    severity: 1
    enabled: true
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    scopes: [
      workspaceId
    ]
    criteria: {
      allOf: [
        {
          // An event or a timer fails by an exception; on demand, the answer has the status 503.
          query: 'AppRequests | where Name in ("near_expiry", "rotate_when_near", "rotate_on_demand") | where Success == false or toint(ResultCode) >= 500'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: [
        actionGroupId
      ]
    }
  }
}

resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'rotation-asleep-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'neo4j-m2m: the rotation does not run'
    description: 'The daily timer of the rotation did not run for two days, so the credential grows old. Publish the package to the rotation\'s function app again, and look at the app\'s log. Before the timer\'s first run this may come once.'
    severity: 2
    enabled: true
    evaluationFrequency: 'PT12H'
    windowSize: 'P2D'
    scopes: [
      workspaceId
    ]
    criteria: {
      allOf: [
        {
          query: 'AppRequests | where Name == "rotate_when_near"'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: [
        actionGroupId
      ]
    }
  }
}

// Every conversation with a vault begins with a 401; 403 is a refusal.
resource refusals 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(adminVaultId)) {
  name: 'admin-vault-refusals-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The administrator\'s vault refused a request. Find out from the vault\'s log who asked: the rotation, whose role you then give back, or a stranger, whom you then stop.'
    severity: 1
    enabled: true
    scopes: [
      adminVaultId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'refused'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.KeyVault/vaults'
          metricName: 'ServiceApiResult'
          dimensions: [
            {
              name: 'StatusCode'
              operator: 'Include'
              values: [
                '403'
              ]
            }
          ]
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
