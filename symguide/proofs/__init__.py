"""Claims with steps that a machine checks, and what the checks are made of."""
