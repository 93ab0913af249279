"""The interfaces of existing systems, served as they are: routes and handlers over shared hubs."""
