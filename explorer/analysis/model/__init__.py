"""From a problem file and checkpoints to a model that is known to be the user's."""
