"""The guided reverse chain: contexts, rates, equations, its laws, exact lumps of it, draws from it."""
