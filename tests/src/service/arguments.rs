//! The command line of a service.

use std::fmt;
use std::net::SocketAddr;

use xray_core::Naming;

/// The arguments `--listen 127.0.0.1:0 --name NAME [--pattern PATTERN]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arguments {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The name of the segments.
    pub name: String,
    /// The pattern of the hosts whose names segments get.
    pub pattern: Option<String>,
}

/// The error when a command line cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseArgumentsError(String);

impl fmt::Display for ParseArgumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nusage: --listen ADDRESS --name NAME [--pattern PATTERN]", self.0)
    }
}

impl std::error::Error for ParseArgumentsError {}

impl Arguments {
    /// Parses a command line without the program's name.
    ///
    /// # Errors
    /// Returns an error if an argument is unknown, incomplete or missing.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Arguments, ParseArgumentsError> {
        let problem = |text: String| ParseArgumentsError(text);
        let (mut listen, mut name, mut pattern) = (None, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            let place = match flag.as_str() {
                "--listen" => &mut listen,
                "--name" => &mut name,
                "--pattern" => &mut pattern,
                _ => return Err(problem(format!("unknown argument {flag}"))),
            };
            *place = Some(arguments.next().ok_or_else(|| problem(format!("{flag} needs a value")))?);
        }
        let listen = listen.ok_or_else(|| problem("--listen is missing".to_owned()))?;
        Ok(Arguments {
            listen: listen.parse().map_err(|_| problem(format!("{listen:?} is not an address")))?,
            name: name.ok_or_else(|| problem("--name is missing".to_owned()))?,
            pattern,
        })
    }

    /// Returns the naming of the segments.
    pub fn naming(&self) -> Naming {
        match &self.pattern {
            None => Naming::fixed(&self.name),
            Some(pattern) => Naming::dynamic(&self.name).matching(pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ParseArgumentsError> {
        Arguments::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn arguments_may_have_any_order() {
        let arguments = parse("--name shop --pattern *.example.com --listen 127.0.0.1:0").unwrap();
        let want = Arguments {
            listen: "127.0.0.1:0".parse().unwrap(),
            name: "shop".to_owned(),
            pattern: Some("*.example.com".to_owned()),
        };
        assert_eq!(arguments, want);
    }

    #[test]
    fn errors_name_the_argument() {
        for (line, problem) in [
            ("--name shop", "--listen is missing"),
            ("--listen here --name shop", "\"here\" is not an address"),
            ("--listen 127.0.0.1:0 --name", "--name needs a value"),
            ("--port 1", "unknown argument --port"),
        ] {
            assert!(parse(line).unwrap_err().to_string().starts_with(problem), "{line}");
        }
    }
}
