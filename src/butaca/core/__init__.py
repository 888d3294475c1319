"""The domain logic. Depends on nothing but Python."""
