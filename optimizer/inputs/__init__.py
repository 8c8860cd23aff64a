"""Text -> objects -> cluster; the policy, topology and placement files."""
