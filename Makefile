# Everything starts from an empty clone: each target makes what it needs, and Python is all it needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort
