# The commands people use: `just` lists them. `just` itself is optional: each recipe is a line or two to copy.

default:
    @just --list

# Runs all tests.
test *ARGS:
    cargo test --workspace {{ARGS}}

# Formats, lints and builds the documentation, as CI does.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOC="$PWD/.ci/docsrs" RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# Builds the documentation as docs.rs does, and opens it.
doc:
    RUSTDOC="$PWD/.ci/docsrs" cargo doc --workspace --no-deps --all-features --open

# Checks links in Markdown files, and spelling; needs typos (`pip install typos`).
text:
    .ci/links
    typos

# Checks what a release depends on: metadata, lowest versions of dependencies, their types in the public API.
release-checks:
    .ci/metadata
    .ci/minimal-versions
    .ci/public-dependencies

# Writes docs/public-dependencies.md after a change of the public API.
public-dependencies:
    .ci/public-dependencies --write

# Reports idioms to rewrite, and circles among core's modules.
report:
    .ci/words
    .ci/direction

# Runs everything that must pass before a change is merged.
ci:
    .ci/run

# Checks the documents against the vectors and the recorded documents.
conformance:
    cargo run -p xray-tests --bin conformance -- vectors tests/vectors
    cargo run -p xray-tests --bin conformance -- golden tests/golden

# Runs an example: shop, grpc, sampling, shutdown, otlp, poem, aws or lambda.
example NAME *ARGS:
    cargo run --example {{NAME}} -- {{ARGS}}

# Shows traces in the terminal: start it, then run a service.
local *ARGS:
    cargo run -p xray-local -- {{ARGS}}

# Runs one benchmark, or all.
bench *ARGS:
    cargo bench -p xray-benches {{ARGS}}

# Measures other SDKs, floors and this SDK in one run: `just compare 1 --works A,B`.
compare *ARGS:
    benches/compare/run {{ARGS}}

# Counts instructions per operation: `just instructions --before main A`.
instructions *ARGS:
    benches/instructions/run {{ARGS}}

# Fuzzes headers, sampling_rules, connection_strings or documents for some seconds; needs cargo-fuzz.
fuzz TARGET SECONDS="20":
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{TARGET}} -- -max_total_time={{SECONDS}}
