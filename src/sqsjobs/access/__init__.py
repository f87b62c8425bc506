"""Who may do what at AWS: policies of least privilege, made of what an app declares."""
