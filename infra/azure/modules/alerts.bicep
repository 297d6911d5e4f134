// Four alerts, each about something that a person has to fix.
metadata description = 'Mail when calls fail or are slow, when a statement cannot be stopped, and when the vault refuses the function.'

@description('The end of every name.')
param suffix string

@description('The region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Who gets the mails.')
param email string

@description('The resource id of the workspace with the function\'s requests.')
param workspaceId string

@description('The resource id of the vault.')
param vaultId string

@description('Number of failed calls within fifteen minutes that causes an alert.')
param failedCalls int

@description('Milliseconds within which 95 of 100 calls should be answered.')
param slowMilliseconds int

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'mail-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'neo4j-m2m'
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource failures 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'failures-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'neo4j-m2m: calls fail'
    description: 'Calls failed: the database or its credential could not be reached, or the server itself failed. The audit lines say which.'
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
          // A tool's failure is an answer with status 200; the agent reads in it what went wrong.
          query: 'AppTraces | where Message startswith "{\\"audit\\":\\"call\\"" | where tostring(parse_json(Message).outcome) in ("failed", "unavailable")'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: failedCalls
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
        mail.id
      ]
    }
  }
}

resource survivors 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'survivors-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'neo4j-m2m: a statement cannot be stopped'
    description: 'A statement still runs in the database though it was told to stop, and keeps a processor busy. The audit line says whose; SHOW TRANSACTIONS shows it.'
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
          query: 'AppTraces | where Message startswith "{\\"audit\\":\\"statement_survived\\""'
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
        mail.id
      ]
    }
  }
}

resource slowness 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'slowness-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'neo4j-m2m: calls are slow'
    description: 'More than five of 100 calls took longer than they should. Check for cold starts, then check the database.'
    severity: 2
    enabled: true
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    scopes: [
      workspaceId
    ]
    criteria: {
      allOf: [
        {
          // A rotation waits for the database at every server of a cluster, and may take long.
          query: 'AppRequests | where Name !in ("near_expiry", "rotate_when_near", "rotate_on_demand") | summarize Calls = count(), P95 = percentile(DurationMs, 95) | where Calls >= 20'
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'P95'
          operator: 'GreaterThan'
          threshold: slowMilliseconds
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
        mail.id
      ]
    }
  }
}

// Every conversation with a vault begins with a 401; 403 is a refusal.
resource refusals 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'vault-refusals-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The vault refused a request: the function\'s identity has lost its role, or a stranger tries to read.'
    severity: 1
    enabled: true
    scopes: [
      vaultId
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
        actionGroupId: mail.id
      }
    ]
  }
}

@description('The resource id of the group that gets the mails.')
output actionGroupId string = mail.id
