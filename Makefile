# The two commands of the README are `make demo` and `make test`. Both set up all they need in this folder.

PYTHON     := .venv/bin/python
TERRAFORM  := $(PYTHON) scripts/terraform
# Every folder that is a Terraform module by itself.
MODULES    := . $(wildcard modules/*) $(patsubst %/,%,$(wildcard examples/*/)) examples/existing-table/owner

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Check prerequisites and install the Python tools into .venv
	@python3 -m scripts.setup

.PHONY: demo
demo: setup ## Real order lines through the whole pipeline on LocalStack (KEEP=1 leaves it running)
	@$(PYTHON) -m scripts.demo $(if $(filter 1 yes true,$(KEEP)),--keep) $(if $(LINES),--lines $(LINES))

.PHONY: demo-down
demo-down: setup ## Take down what `make demo KEEP=1` left running
	@$(PYTHON) -m scripts.demo --down

.PHONY: test
test: lint test-terraform pytest ## Everything: linters, Terraform's own tests, unit and LocalStack tests

.PHONY: lint
lint: setup ## Linters, type checker, Terraform's format and validation, security scan, the committed package
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy lambda_src/aggregator scripts
	$(PYTHON) scripts/build.py --check
	$(PYTHON) -m scripts.reference --check
	$(TERRAFORM) fmt -check -recursive -diff
	@for module in $(MODULES); do \
	  $(TERRAFORM) -chdir=$$module init -backend=false -input=false -no-color >/dev/null || exit 1; \
	  printf 'terraform validate %s: ' $$module; \
	  $(TERRAFORM) -chdir=$$module validate || exit 1; \
	done
	$(PYTHON) -m scripts.scan

.PHONY: test-terraform
test-terraform: setup ## Terraform's own tests, with a mocked provider
	$(TERRAFORM) init -backend=false -input=false -no-color -test-directory=tests/terraform >/dev/null
	$(TERRAFORM) test -test-directory=tests/terraform

.PHONY: pytest
pytest: setup ## Unit tests and the integration tests on LocalStack
	$(PYTHON) -m pytest

.PHONY: simulate
simulate: setup ## Simulations of the pipeline: SEEDS=100000, or SEED=42 for one with its trace; OF=deliveries
	@$(PYTHON) -m tests.simulation $(if $(OF),--of $(OF)) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),10000))

.PHONY: mutants
mutants: setup ## Deliberate faults in the code, and how many simulations it takes to notice each
	@$(PYTHON) -m tests.simulation --mutants

.PHONY: fuzz
fuzz: setup ## Requests made up from the OpenAPI document, on LocalStack (CASES=20000: so many, SEED=42: the same again)
	FUZZ_CASES=$(or $(CASES),5000) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
	  $(PYTHON) -m pytest tests/integration/test_contract.py

.PHONY: bench
bench: setup ## The function next to how others do it, on DynamoDB Local and a stub: benchmarks/report (20 minutes)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	$(PYTHON) -m benchmarks.compare
	$(PYTHON) -m benchmarks.scale

.PHONY: format
format: setup ## Format Python and Terraform sources
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix
	$(TERRAFORM) fmt -recursive

.PHONY: build
build: ## Build dist/aggregator.zip from lambda_src/
	@python3 scripts/build.py

.PHONY: reference
reference: setup ## Write the tables of inputs and outputs into the READMEs, and that of wrong inputs for the tests
	@$(PYTHON) -m scripts.reference
	@$(PYTHON) -m scripts.refusals

.PHONY: openapi
openapi: setup ## Write docs/openapi.json from the stack that `make demo KEEP=1` left running
	@TF_DATA_DIR=$(CURDIR)/.localstack/retail-demo/data $(TERRAFORM) -chdir=examples/complete output \
	  -state=$(CURDIR)/.localstack/retail-demo/terraform.tfstate -raw api_openapi | $(PYTHON) -m scripts.openapi

.PHONY: clean
clean: ## Stop LocalStack and remove all that the scripts have made
	@python3 scripts/localstack stop
	rm -rf .venv .checkov .localstack .terraform-cli .pytest_cache .mypy_cache .ruff_cache .hypothesis release
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .terraform -type d -prune -exec rm -rf {} +
	find . -name .terraform.lock.hcl -delete
