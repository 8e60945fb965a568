//! The name of a server's segments.

use crate::diagnostics::Diagnostics;
use crate::host_pattern;
use crate::recorder::diagnostics_of_process;
use crate::sampling::Wildcard;

/// How a server's segments are named: always the same, or by the host that the client asked for.
///
/// `AWS_XRAY_TRACING_NAME` replaces the default name in both cases.
///
/// ```
/// use xray_core::Naming;
///
/// let fixed = Naming::from("shop");
/// let by_host = Naming::dynamic("shop").matching("*.example.com");
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
    /// `never`: no host should match.
    Matching {
        pattern: Wildcard,
        never: bool,
    },
}

impl Naming {
    /// Every segment is called `name`.
    pub fn fixed(name: impl Into<String>) -> Naming {
        Naming { default: name.into().into(), hosts: Hosts::None }
    }

    /// A segment is called after the `Host` of its request, or `default` when there is none.
    ///
    /// Clients choose the host, and each name is a node of its own on the service map: limit the names by
    /// [`matching`](Naming::matching).
    pub fn dynamic(default: impl Into<String>) -> Naming {
        Naming { default: default.into().into(), hosts: Hosts::All }
    }

    /// Takes only hosts (port included) that match the pattern: `*` any run of characters, `?` exactly one,
    /// case ignored. An empty pattern takes all. One that no host can match, such as a regular expression or a url,
    /// is reported as an error.
    #[must_use]
    pub fn matching(mut self, pattern: &str) -> Naming {
        host_pattern::check(pattern, &diagnostics_of_process());
        self.hosts = match pattern {
            "" => Hosts::All,
            _ => Hosts::Matching { pattern: Wildcard::new(pattern), never: host_pattern::why_never(pattern).is_some() },
        };
        self
    }

    /// Reports a pattern that never matches to this recorder, which may not have been there when it was set.
    #[inline]
    pub(crate) fn check(&self, diagnostics: &Diagnostics) {
        if let Hosts::Matching { pattern, never: true } = &self.hosts {
            host_pattern::check(pattern.as_str(), diagnostics);
        }
    }

    /// The name for a request to `host`, before it is cleaned.
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
