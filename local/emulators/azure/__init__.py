"""Azure, emulated on one machine: a tenant, Key Vault, the identity endpoint, the Functions host, a worker."""
