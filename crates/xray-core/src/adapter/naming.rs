//! The name of a server's segments.

use crate::diagnostics::Diagnostics;
use crate::host_pattern;
use crate::recorder::diagnostics_of_process;
use crate::sampling::Wildcard;

/// The naming of a server's segments: always the same name, or the requested host.
///
/// Each name is a node of its own on the service map. The environment variable `AWS_XRAY_TRACING_NAME` replaces the fixed
/// or default name.
///
/// ```
/// use xray_core::Naming;
///
/// let fixed = Naming::from("shop");
/// let by_host = Naming::dynamic("shop").matching("*.example.com");
/// ```
///
/// Layers of adapters accept a `Naming` or a plain name:
///
/// ```
/// use xray_core::Naming;
///
/// fn layer(naming: impl Into<Naming>) -> Naming {
///     naming.into()
/// }
///
/// layer("shop");
/// layer(Naming::dynamic("shop").matching("*.example.com"));
/// ```
#[derive(Clone, Debug)]
pub struct Naming {
    default: Box<str>,
    hosts: Hosts,
}

#[derive(Clone, Debug)]
enum Hosts {
    None,
    All,
    /// With `never` set, no host can match the pattern.
    Matching {
        pattern: Wildcard,
        never: bool,
    },
}

impl Naming {
    /// Gives every segment the same name.
    pub fn fixed(name: impl Into<String>) -> Naming {
        Naming { default: name.into().into(), hosts: Hosts::None }
    }

    /// Names each segment after the `Host` of its request, including a port, or `default` if there is none.
    ///
    /// Clients choose the host, and each name is a node of its own on the service map. Limit the names by
    /// [`matching`](Naming::matching).
    pub fn dynamic(default: impl Into<String>) -> Naming {
        Naming { default: default.into().into(), hosts: Hosts::All }
    }

    /// Uses only hosts, including the port, that match the pattern (default: all). Other requests get the default name.
    /// `*` matches any run of characters, `?` exactly one, and case is ignored. An empty pattern matches all hosts.
    /// Calling this again replaces the pattern. Called on [`fixed`](Naming::fixed) naming, it makes the name the default.
    ///
    /// A pattern that no host can match, such as a regular expression or a URL, is logged as an error.
    #[must_use]
    pub fn matching(mut self, pattern: &str) -> Naming {
        host_pattern::check(pattern, &diagnostics_of_process());
        self.hosts = match pattern {
            "" => Hosts::All,
            _ => Hosts::Matching { pattern: Wildcard::new(pattern), never: host_pattern::why_never(pattern).is_some() },
        };
        self
    }

    /// Reports a pattern that never matches to this recorder, which may not have existed when the pattern was set.
    #[inline]
    pub(crate) fn check(&self, diagnostics: &Diagnostics) {
        if let Hosts::Matching { pattern, never: true } = &self.hosts {
            host_pattern::check(pattern.as_str(), diagnostics);
        }
    }

    /// Returns the name for a request to `host`, before it is cleaned.
    pub(crate) fn resolve<'a>(&'a self, host: Option<&'a str>, environment: Option<&'a str>) -> &'a str {
        let host = host.filter(|host| match &self.hosts {
            Hosts::None => false,
            Hosts::All => !host.is_empty(),
            Hosts::Matching { pattern, .. } => !host.is_empty() && pattern.matches(host),
        });
        host.or(environment).unwrap_or(&self.default)
    }
}

impl From<&str> for Naming {
    fn from(name: &str) -> Naming {
        Naming::fixed(name)
    }
}

impl From<String> for Naming {
    fn from(name: String) -> Naming {
        Naming::fixed(name)
    }
}
