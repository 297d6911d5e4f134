"""What stands in for Azure on one machine: a tenant, Key Vault, the identity endpoint, the Functions host, a worker."""
