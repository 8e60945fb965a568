//! The values that every subject records: docs/performance.md.

pub const SEGMENT: &str = "orders";
pub const METHOD: &str = "GET";
pub const URL: &str = "http://shop.example.com/orders/12345?expand=items";
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) Bench/1.0";
pub const CLIENT_IP: &str = "203.0.113.7";
pub const STATUS: u16 = 200;
pub const LENGTH: u64 = 512;
pub const TENANT: &str = "acme";
pub const ITEMS: i64 = 3;
pub const PLAN: &str = "pro";
pub const RETRIES: i64 = 1;
pub const OUTER: &str = "checkout";
pub const INNER: &str = "price";
pub const REMOTE: &str = "inventory.example.com";
pub const REMOTE_METHOD: &str = "POST";
pub const REMOTE_URL: &str = "http://inventory.example.com/reserve";
pub const REMOTE_LENGTH: u64 = 64;

/// Subsegments of work C.
pub const BIG: usize = 10_000;

/// Work F1: how often each thread annotates the trace, and with which keys in turn.
pub const ANNOTATIONS: usize = 32_768;
pub const KEYS: [&str; 8] = ["tenant", "items", "region", "shard", "retries", "plan", "queue", "attempt"];

/// The header of work D2.
pub const TRACE_HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
/// Same, with the fields that a load balancer adds.
pub const LONG_TRACE_HEADER: &str = "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2";

/// Requests that work D1 decides on, in turn: host, method, path.
pub const REQUESTS: [(&str, &str, &str); 8] = [
    ("shop.example.com", "GET", "/orders/12345"),
    ("shop.example.com", "POST", "/orders"),
    ("api.example.com", "GET", "/v2/users/7/profile"),
    ("admin.example.com", "DELETE", "/v1/items/9"),
    ("shop.example.com", "GET", "/static/app.js"),
    ("other.example.org", "GET", "/"),
    ("shop.example.com", "PUT", "/cart/77/lines/3"),
    ("api.example.com", "GET", "/health"),
];

/// Twenty local rules: host, method, path, fixed target, rate. The last is the default rule.
pub const RULES: [(&str, &str, &str, u32, f64); 20] = [
    ("*", "GET", "/health", 0, 0.0),
    ("*", "GET", "/ready", 0, 0.0),
    ("*", "*", "/static/*", 0, 0.0),
    ("*", "OPTIONS", "*", 0, 0.0),
    ("admin.*", "*", "*", 1, 0.5),
    ("*.example.com", "POST", "/payments/*", 1, 1.0),
    ("*.example.com", "POST", "/payments/*/refund", 1, 1.0),
    ("shop.example.com", "POST", "/cart/*/checkout", 1, 0.5),
    ("shop.example.com", "PUT", "/cart/*/lines/?", 1, 0.2),
    ("api.example.com", "GET", "/v1/*", 1, 0.01),
    ("api.example.com", "GET", "/v2/users/*/profile", 1, 0.02),
    ("api.example.com", "*", "/v?/admin/*", 1, 0.5),
    ("api-??.example.com", "*", "*", 1, 0.05),
    ("*", "DELETE", "/v1/*", 1, 0.1),
    ("*", "PATCH", "/v1/*/items/*", 1, 0.1),
    ("partner-*.example.com", "GET", "/feed/*", 1, 0.01),
    ("partner-*.example.com", "POST", "/feed/*/ack", 1, 0.01),
    ("shop.example.com", "POST", "/orders", 1, 0.3),
    ("shop.example.com", "GET", "/orders/*", 1, 0.1),
    ("*", "*", "*", 1, 0.05),
];
