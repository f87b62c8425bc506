"""Job stores: `base` is the contract; `memory` and `sqlite` keep it."""
