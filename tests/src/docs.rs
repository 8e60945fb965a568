//! Compiles the Rust code of the README and of the pages in `docs/` as documentation tests.

macro_rules! pages {
    ($($name:ident = $file:literal,)*) => {
        $(
            #[doc = include_str!(concat!("../../docs/", $file))]
            mod $name {}
        )*
    };
}

pages! {
    configuration = "configuration.md",
    grpc = "grpc.md",
    guide = "guide.md",
    migrating_from_go = "migrating-from-go.md",
    migrating_from_java = "migrating-from-java.md",
    migrating_from_node = "migrating-from-node.md",
    migrating_from_opentelemetry = "migrating-from-opentelemetry.md",
    migrating_from_python = "migrating-from-python.md",
    opentelemetry = "opentelemetry.md",
}

#[doc = include_str!("../../README.md")]
mod readme {}
