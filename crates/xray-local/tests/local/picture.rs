//! Rendered waterfalls.

use xray_local::{Style, render};

use crate::tree::{document, trace};

fn shop() -> Vec<Vec<u8>> {
    let shop = document(
        1,
        "shop",
        r#","start_time":100,"end_time":100.204,"fault":true,
        "http":{"request":{"method":"POST","url":"http://shop.example.com/checkout"},"response":{"status":502}},
        "annotations":{"order":4711,"tier":"gold"},
        "subsegments":[
          {"id":"0000000000000002","name":"load-cart","start_time":100.002,"end_time":100.042,"subsegments":[
            {"id":"0000000000000003","name":"cart@db","start_time":100.003,"end_time":100.041,"namespace":"remote",
             "sql":{"url":"postgres://db/cart","sanitized_query":"SELECT * FROM items WHERE cart = $1"}}]},
          {"id":"0000000000000004","name":"stock","start_time":100.045,"end_time":100.185,"namespace":"remote","fault":true,
           "http":{"request":{"method":"GET","url":"http://stock/items/7"},"response":{"status":500}}},
          {"id":"0000000000000005","name":"S3","start_time":100.19,"end_time":100.2,"namespace":"aws","throttle":true,"error":true,
           "aws":{"operation":"PutObject"},"http":{"response":{"status":429}}},
          {"id":"0000000000000006","name":"audit","start_time":100.2,"in_progress":true}]"#,
    );
    let stock = document(
        7,
        "stock",
        r#","parent_id":"0000000000000004","start_time":100.05,"end_time":100.18,"fault":true,
        "http":{"request":{"method":"GET","url":"http://stock/items/7"},"response":{"status":500}},
        "cause":{"exceptions":[{"type":"PoolError","message":"no connection in 100 ms"}]}"#,
    );
    vec![shop, stock]
}

fn many() -> Vec<Vec<u8>> {
    let item = |i: u64| {
        let fault = if i == 700 { r#","fault":true"# } else { "" };
        let parent = r#""parent_id":"0000000000000001","type":"subsegment""#;
        let (start, end) = (100.0 + i as f64 / 1e3, 100.0 + i as f64 / 1e3 + 0.000_012);
        document(i + 2, "item", &format!(r#",{parent},"start_time":{start},"end_time":{end}{fault}"#))
    };
    let job = document(1, "job", r#","start_time":100,"end_time":101"#);
    (0..993).map(item).chain([job]).collect()
}

fn assert_picture(picture: &str, want: &str) {
    assert!(picture == want, "got:\n{picture}\nwant:\n{want}");
}

#[test]
fn a_waterfall_at_100_columns() {
    assert_picture(&render(&trace(&shop()), &Style::plain()), SHOP_100);
}
const SHOP_100: &str = "\
● 1-5759e988-bd862e3fe1be46a994272793  204 ms  502 fault  POST http://shop.example.com/checkout
  1 in progress
shop                  ████████████████████████████████████████████████████████  204 ms  502 fault
│   order=4711  tier=gold
├─ load-cart          ███████████▌                                               40 ms  ok
│  └─ cart@db ‹sql›   ███████████▎                                               38 ms  ok
│         SELECT * FROM items WHERE cart = $1
├─ stock ‹remote›                 ██████████████████████████████████████▊       140 ms  500 fault
│  │   GET http://stock/items/7
│  └─ stock                        ████████████████████████████████████▍        130 ms  500 fault
│         GET http://stock/items/7
│         PoolError: no connection in 100 ms
├─ S3 PutObject ‹aws›                                                     ██▉    10 ms  429 throttle
└─ audit                                                                    █▶   4 ms+  in progress
";

#[test]
fn a_waterfall_at_80_columns() {
    assert_picture(&render(&trace(&shop()), &Style::plain().with_width(80)), SHOP_80);
}
const SHOP_80: &str = "\
● 1-5759e988-bd862e3fe1be46a994272793  204 ms  502 fault  POST http://shop.exam…
  1 in progress
shop                  ████████████████████████████████████  204 ms  502 fault
│   order=4711  tier=gold
├─ load-cart          ███████▍                               40 ms  ok
│  └─ cart@db ‹sql›   ███████▎                               38 ms  ok
│         SELECT * FROM items WHERE cart = $1
├─ stock ‹remote›             ████████████████████████▋     140 ms  500 fault
│  │   GET http://stock/items/7
│  └─ stock                   ███████████████████████▊      130 ms  500 fault
│         GET http://stock/items/7
│         PoolError: no connection in 100 ms
├─ S3 PutObject ‹aws›                                  ██▎   10 ms  429 throttle
└─ audit                                                 ▶   4 ms+  in progress
";

#[test]
fn similar_siblings_are_summarised() {
    assert_picture(&render(&trace(&many()), &Style::plain().with_width(80)), MANY);
}
const MANY: &str = "\
● 1-5759e988-bd862e3fe1be46a994272793  1 s  ok  job
job                     ██████████████████████████████████     1 s  ok
├─ item                 ▏                                    12 µs  ok
├─ item                 ▏                                    12 µs  ok
├─ item                 ▏                                    12 µs  ok
├─ item                 ▏                                    12 µs  ok
├─ item                 ▏                                    12 µs  ok
├─ … 987 more like this ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 11.8 ms  ok
└─ item                                        ▊             12 µs  fault
";

#[test]
fn flags_have_colours() {
    let picture = render(&trace(&shop()), &Style::plain().with_color(true));
    for coloured in
        ["\x1b[31m502 fault\x1b[0m", "\x1b[35m429 throttle\x1b[0m", "\x1b[32mok\x1b[0m", "\x1b[36min progress\x1b[0m"]
    {
        assert!(picture.contains(coloured), "{coloured:?} in {picture:?}");
    }
    let parts = picture.split("\x1b[").skip(1);
    let plain: String = parts.filter_map(|part| Some(part.split_once('m')?.1)).collect();
    assert_picture(&plain, SHOP_100);
}

#[test]
fn annotations_wrap_to_several_lines() {
    let annotations: Vec<_> = (10..30).map(|i| format!(r#""key_{i}":{i}"#)).collect();
    let members = format!(r#","start_time":1,"end_time":2,"annotations":{{{}}}"#, annotations.join(","));
    let picture = render(&trace(&[document(1, "n", &members)]), &Style::plain());
    assert!((10..30).all(|i| picture.contains(&format!("key_{i}={i}"))), "{picture}");
}

#[test]
fn a_clock_correction_is_shown() {
    let shop = document(1, "shop", r#","start_time":100,"end_time":103"#);
    let stock = document(2, "stock", r#","parent_id":"0000000000000001","start_time":40,"end_time":41"#);
    let picture = render(&trace(&[shop, stock]), &Style::plain());
    assert!(picture.contains("moved by 1m 01s: its clock is behind the caller's"), "{picture}");
}

#[test]
fn rows_are_bounded() {
    let picture = render(&trace(&shop()), &Style::plain().with_rows(2));
    assert!(picture.ends_with("… 5 more\n"), "{picture}");
}
