"""What a load does to the deployed application, and what it costs: a simulation over published quotas and prices."""
