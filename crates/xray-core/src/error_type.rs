//! The name of an error's type.

use std::error::Error;
use std::fmt;

use crate::user_code;

/// Returns the name of a type without its path and parameters, and without references and smart pointers around it.
/// Returns `None` for a `dyn Error`, whose name says nothing about the error.
pub(crate) fn own_name(path: &'static str) -> Option<&'static str> {
    let mut path = path;
    loop {
        let inner = path.strip_prefix('&').map(|path| path.strip_prefix("mut ").unwrap_or(path)).or_else(|| {
            let pointers = ["alloc::boxed::Box<", "alloc::sync::Arc<", "alloc::rc::Rc<"];
            pointers.iter().find_map(|pointer| path.strip_prefix(pointer))
        });
        match inner {
            Some(inner) => path = inner,
            None if path.starts_with("dyn ") => return None,
            None => break,
        }
    }
    let end = path.find(['<', '>', ',']).unwrap_or(path.len());
    path[..end].rsplit("::").next()
}

/// Whether the `Debug` text is that of an `io::Error`, which does not start with its name.
pub(crate) fn is_io_error(error: &dyn Error) -> bool {
    /// Keeps the start of the text, then stops the formatting.
    struct Start(String);
    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() < 16 { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut start = Start(String::new());
    // An error means that the start is complete.
    let _ = user_code::call(|| fmt::Write::write_fmt(&mut start, format_args!("{error:?}")));
    ["Os { code: ", "Custom { kind: ", "Kind("].iter().any(|known| start.0.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_paths_parameters_and_pointers() {
        for (path, name) in [
            ("app::Jam", Some("Jam")),
            ("&app::Jam", Some("Jam")),
            ("&mut app::Jam<app::Paper>", Some("Jam")),
            ("alloc::boxed::Box<app::Jam>", Some("Jam")),
            ("&alloc::sync::Arc<alloc::boxed::Box<app::Jam<u8>>>", Some("Jam")),
            ("&dyn core::error::Error", None),
            ("alloc::sync::Arc<dyn core::error::Error + core::marker::Send>", None),
        ] {
            assert_eq!(own_name(path), name, "{path}");
        }
    }
}
