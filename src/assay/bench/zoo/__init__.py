"""A zoo of small models, half of them backdoored, on which the inspection and the repair of models are judged."""
