"""Several points made into one: means, great circles, task vectors."""
