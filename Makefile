# make run            set up, create the demonstration tenant, start web server and worker
# make demo           enrol and search on the running server
# make test           set up, run all checks and tests
# make test-clients   install the vendors' own clients, which some tests run
# make clients        build the native API's clients, a wheel and an npm package
# make check          run the checks without the tests
# make test-services  run on PostgreSQL and Redis, if they are running, the tests that these can change
# make soak           run the long tests, and those that compare times
# make bundle         pack what `make setup OFFLINE=FILE` installs without a network
# make sbom           list components and licences
# make setup          install dependencies and models, compile translations, collect static files
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
# The tests of a file share its servers; tests/conftest.py puts the longest files first.
TOGETHER := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Where the environment forbids Python to keep what it compiles, each of the hundreds of processes here compiles it anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: clients bundle sbom test-clients programs soak run demo test test-services check setup lock

run: setup
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) demo prepare
	@trap 'kill $$(jobs -p) 2>/dev/null; wait' EXIT; \
	LOG_LEVEL=$${LOG_LEVEL:-WARNING} $(BIN)/celery --app config --quiet worker --beat --pool threads & \
	$(BIN)/python -m config.server

demo:
	@$(MANAGE) demo try $(if $(BIND),--url http://$(BIND))

setup: .venv/.runtime
	@$(BIN)/pybabel --quiet compile --directory collections_app/locale --domain django
	@$(MANAGE) install_models
	@$(MANAGE) collectstatic --noinput --verbosity 0

test: .venv/.dev setup programs check
	$(BIN)/pytest $(TOGETHER)

# Uses PostgreSQL and Redis at their standard ports, and does nothing if they do not answer. The role owns its database and
# is not a superuser, so that the tests run behind row-level security. tests/services.py lists what is left out, and why.
test-services: .venv/.dev setup programs
	@$(BIN)/python -m tests.services || exit 0; TEST_SERVICES=1 \
	DATABASE_URL=$${DATABASE_URL:-postgresql://faceplane@127.0.0.1:5432/faceplane} \
	CELERY_BROKER_URL=$${CELERY_BROKER_URL:-redis://127.0.0.1:6379/7} \
	LIMITS_URL=$${LIMITS_URL:-redis://127.0.0.1:6379/7} $(BIN)/pytest $(TOGETHER)

# Long tests with full counts, and comparisons of times: takes hours.
soak: .venv/.dev setup
	SOAK=1 $(BIN)/pytest tests/attack tests/index tests/dialects/test_fuzz.py tests/test_keys_across_processes.py tests/test_scale_out.py

# Chromium, strace and nginx for the tests: uses the system's, or installs them.
programs: .venv/.dev
	@$(BIN)/python -m tests.programs

# Vendors' own clients, each in an environment of its own below var/clients: a file of tests/clients each for Python,
# package.json for JavaScript. The tests that need them are skipped without them.
CLIENTS := $(patsubst tests/clients/%.txt,var/clients/%/.done,$(wildcard tests/clients/*.txt))

test-clients: $(CLIENTS) $(if $(shell command -v npm),var/clients/node/.done)

var/clients/%/.done: tests/clients/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

var/clients/node/.done: tests/clients/package-lock.json
	mkdir -p $(@D)
	cp tests/clients/package.json $< $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The native API's own clients, generated from its OpenAPI document: DIST gets a wheel and an npm package.
DIST ?= var/clients/dist
GENERATOR := var/clients/openapi-python-client
MODULES := $(CURDIR)/var/clients/node/node_modules

clients: .venv/.runtime $(GENERATOR)/.done var/clients/node/.done
	rm -rf $(DIST) && mkdir -p $(DIST) && cp -R config/clients/python config/clients/typescript $(DIST)
	$(MANAGE) openapi native >$(DIST)/openapi.json
	$(GENERATOR)/bin/openapi-python-client generate --path $(DIST)/openapi.json --fail-on-warning --meta none \
		--output-path $(DIST)/python/faceplane_client --config config/clients/openapi-python-client.yml
	mv $(DIST)/python/session.py $(DIST)/python/faceplane_client
	version=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) && cd $(DIST) && \
	sed -i.0 "s/^version = .*/version = \"$$version\"/" python/pyproject.toml && \
	sed -i.0 "s/\"version\": .*/\"version\": \"$$version\",/" typescript/package.json
	$(GENERATOR)/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(DIST) $(DIST)/python
	cd $(DIST)/typescript && mkdir src && mv index.ts src && ln -s $(MODULES) node_modules && \
	node_modules/.bin/openapi-typescript ../openapi.json --output src/schema.ts && node_modules/.bin/tsc && \
	npm pack --silent --pack-destination .. && rm node_modules

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djlint templates --check --lint --quiet
	$(BIN)/hadolint Dockerfile
	$(MANAGE) makemigrations --check --dry-run
	sha256sum --check --quiet tests/released/migrations.sha256
	HTTPS=true TRUSTED_PROXIES=1 SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))') $(MANAGE) check --deploy --fail-level WARNING

.venv/bin/pip:
	$(PYTHON) -m venv .venv

# With OFFLINE=FILE, made by `make bundle`, from that file alone.
.venv/.runtime: requirements.txt | .venv/bin/pip
	$(if $(OFFLINE),rm -rf var/bundle && mkdir -p var/bundle && tar --extract --file $(OFFLINE) --directory var/bundle)
	$(if $(OFFLINE),cd var/bundle && sha256sum --check --quiet SHA256SUMS)
	$(if $(OFFLINE),mkdir -p "$${MODELS_HOME:-var/models}" && cp var/bundle/models/* "$${MODELS_HOME:-var/models}")
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt \
		$(if $(OFFLINE),--no-index --find-links var/bundle/wheels)
	@$(if $(OFFLINE),rm -rf var/bundle)
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@ .venv/.runtime

# Everything that `make setup OFFLINE=FILE` needs on a host without a network, of the same kind of processor and Python.
bundle: setup
	rm -rf var/bundle
	mkdir -p var/bundle/models
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
		--dest var/bundle/wheels -r requirements.txt
	cp "$${MODELS_HOME:-var/models}"/*.onnx var/bundle/models
	cd var/bundle && find wheels models -type f -exec sha256sum {} + >SHA256SUMS
	tar --create --file var/faceplane-bundle.tar --directory var/bundle SHA256SUMS wheels models
	rm -rf var/bundle

# What a release consists of, and under which licences: a CycloneDX document and a table; needs uv.
sbom: .venv/.runtime
	uvx --quiet --from cyclonedx-bom cyclonedx-py requirements requirements.txt --pyproject pyproject.toml \
		--output-reproducible --output-file var/sbom.cdx.json
	uvx --quiet pip-licenses --python $(BIN)/python --from mixed --format markdown --output-file var/licences.md \
		--packages $$(sed -n 's/==.*//p' requirements.txt)

# Pins every dependency with hashes and without registry addresses, and lists the wheels that there are; needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet pyproject.toml -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --extra telemetry -c requirements.txt pyproject.toml -o requirements-telemetry.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet --extra telemetry --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --quiet -c requirements.txt pyproject.toml --format pylock.toml -o var/pylock.toml
	grep -oE '[^/"]+\.whl' var/pylock.toml | grep -E 'none-any|manylinux|macosx' | grep -vE -- '-(cp3[89]-cp3|cp310-cp3|pp3[0-9]+-)|cp31[0-9]t|i686|ppc64le|s390x|riscv64|armv7l' \
		| sort -u >requirements-wheels.txt
	for client in tests/clients/*.in; do \
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet $$client -o $${client%.in}.txt; done
