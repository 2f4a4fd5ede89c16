"""What runs inside the confidential VM: evidence, attested TLS, and the workload."""
