"""Independent checks: whatever was computed is judged again from the input alone.

So nothing here imports the search, the plan, or what writes the manifests: a mistake there must not be made here again.
What is small is written twice on purpose. Shared are only the data (`model`), the rules of Kubernetes (`kube`), and the
reading of a product's objects that was written for the checks (`Product.peerings`, `Product.duplicates`).
"""
