"""Where series come from: public files, stand-ins and a user's own; and how they are cut into features and targets."""
