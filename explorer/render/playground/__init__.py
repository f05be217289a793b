"""Pictures of the playground: functions, races on them, basins, rates."""
