//! `xray-instructions <work> <count>` does a piece of work this often. `run` counts its instructions.

mod core_works;
mod servers;

/// The name of a work, what one operation is, and the function that does this many.
type Work = (&'static str, &'static str, fn(usize));

const WORKS: [Work; 11] = [
    ("A", "a request of four entities, recorded and sent", core_works::recorded),
    ("B", "the same, not sampled", core_works::unsampled),
    ("C", "one of 10,000 subsegments of one segment", core_works::large),
    ("D1", "a decision over 20 rules", core_works::decision),
    ("D2", "parsing a trace header", core_works::header),
    ("axum", "a request to axum with a layer that does nothing", servers::axum_bare),
    ("axum-0", "with `XRayLayer`, not sampled", servers::axum_unsampled),
    ("axum-100", "with `XRayLayer`, recorded", servers::axum_recorded),
    ("actix", "a request to actix-web with a middleware that does nothing", servers::actix_bare),
    ("actix-0", "with `XRay`, not sampled", servers::actix_unsampled),
    ("actix-100", "with `XRay`, recorded", servers::actix_recorded),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => WORKS.iter().for_each(|(name, operation, _)| println!("{name}\t{operation}")),
        [name, count] => {
            let (_, _, work) = WORKS.iter().find(|(known, ..)| known == name).expect("the name of a work");
            work(count.parse().expect("a number"));
        }
        _ => panic!("usage: xray-instructions [<work> <count>]"),
    }
}
