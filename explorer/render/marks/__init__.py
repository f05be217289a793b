"""Parts of charts: scales, ticks, colours, curves, contour lines, tooltips."""
