# The commands people use: `just` lists them. Each is one line of cargo; `just` itself is optional.

default:
    @just --list

# Runs all tests.
test *ARGS:
    cargo test --workspace {{ARGS}}

# Formats, lints and builds the documentation, as CI does.
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# Reports idioms to rewrite, and circles among core's modules.
report:
    -.ci/words
    -.ci/direction

# Runs everything that must pass before a change is merged.
ci:
    .ci/run

# Checks the documents against the vectors and the recorded documents.
conformance:
    cargo run -p xray-tests --bin conformance -- vectors tests/vectors
    cargo run -p xray-tests --bin conformance -- golden tests/golden

# Runs an example: shop, sampling, aws or lambda.
example NAME *ARGS:
    cargo run --example {{NAME}} -- {{ARGS}}

# Shows traces in the terminal: start it, then run a service.
local *ARGS:
    cargo run -p xray-local -- {{ARGS}}

# Runs one benchmark, or all.
bench *ARGS:
    cargo bench -p xray-benches {{ARGS}}

# Fuzzes one target for some seconds; needs cargo-fuzz.
fuzz TARGET SECONDS="20":
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} -- -max_total_time={{SECONDS}}
