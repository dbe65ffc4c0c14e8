//! Argument structs: one definition gives the type, the reader, the checks
//! and the reference text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::catalogue::{ArgInfo, ArgKind, ArgProblem};
use crate::coerce;

/// A type that an argument can have.
pub trait Argument: Sized {
    /// May be left out (and then is [`Argument::absent`]).
    const OPTIONAL: bool = false;
    /// What values are acceptable.
    fn kind() -> ArgKind;
    /// Converts a ready value by Ansible's rules.
    ///
    /// # Errors
    /// The reason, for people.
    fn read(value: &Value) -> Result<Self, String>;
    /// The value as it is shown in documentation.
    fn show(&self) -> Value;
    /// What a left-out value is, for optional types.
    fn absent() -> Option<Self> {
        None
    }
}

/// A whole argument struct; made by [`crate::arguments!`].
pub trait Arguments: Sized {
    /// The module's documentation.
    fn doc() -> String;
    /// One description per argument.
    fn infos() -> Vec<ArgInfo>;
    /// Reads the struct, converting every value.
    ///
    /// # Errors
    /// All mistakes together.
    fn read(given: Map<String, Value>) -> Result<Self, Vec<ArgProblem>>;
}

impl Argument for String {
    fn kind() -> ArgKind {
        ArgKind::Text
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::text(value)
    }
    fn show(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Argument for PathBuf {
    fn kind() -> ArgKind {
        ArgKind::Path
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::text(value).map(Self::from)
    }
    fn show(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

impl Argument for bool {
    fn kind() -> ArgKind {
        ArgKind::Boolean
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::boolean(value)
    }
    fn show(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Argument for i64 {
    fn kind() -> ArgKind {
        ArgKind::Integer
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::integer(value)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Argument for f64 {
    fn kind() -> ArgKind {
        ArgKind::Float
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::float(value)
    }
    fn show(&self) -> Value {
        Value::from(*self)
    }
}

impl Argument for Value {
    fn kind() -> ArgKind {
        ArgKind::Any
    }
    fn read(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
    fn show(&self) -> Value {
        self.clone()
    }
}

impl Argument for Map<String, Value> {
    fn kind() -> ArgKind {
        ArgKind::Mapping
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::mapping(value)
    }
    fn show(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl Argument for BTreeMap<String, String> {
    fn kind() -> ArgKind {
        ArgKind::Mapping
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::mapping(value)?
            .iter()
            .map(|(key, value)| Ok((key.clone(), coerce::text(value)?)))
            .collect()
    }
    fn show(&self) -> Value {
        serde_json::json!(self)
    }
}

impl<T: Argument> Argument for Vec<T> {
    fn kind() -> ArgKind {
        ArgKind::List(Box::new(T::kind()))
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::list(value)?.iter().map(T::read).collect()
    }
    fn show(&self) -> Value {
        self.iter().map(T::show).collect()
    }
}

impl<T: Argument> Argument for Option<T> {
    const OPTIONAL: bool = true;
    fn kind() -> ArgKind {
        T::kind()
    }
    fn read(value: &Value) -> Result<Self, String> {
        T::read(value).map(Some)
    }
    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::show)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Takes one argument out of a canonical map; used by [`crate::arguments!`].
#[doc(hidden)]
pub fn take<T: Argument>(
    given: &mut Map<String, Value>,
    name: &str,
    default: Option<T>,
    problems: &mut Vec<ArgProblem>,
) -> Option<T> {
    match given.remove(name) {
        // A null counts as left out, as in Ansible.
        None | Some(Value::Null) => {
            let value = default.or_else(T::absent);
            if value.is_none() {
                problems.push(ArgProblem::Missing {
                    name: name.to_owned(),
                });
            }
            value
        }
        Some(value) => match T::read(&value) {
            Ok(value) => Some(value),
            Err(reason) => {
                problems.push(ArgProblem::Wrong {
                    name: name.to_owned(),
                    reason,
                });
                None
            }
        },
    }
}

/// Defines an argument struct.
///
/// Each field is `name: Type`, optionally with aliases in brackets, a default
/// after `=`, and `as "type"` where Ansible's name is no Rust name. A field
/// without a default is required unless its type is an `Option`. The doc
/// comments are the reference text; the one on the struct documents the module.
///
/// ```
/// ocplay_protocol::arguments! {
///     /// Greets somebody.
///     pub struct Args {
///         /// Whom to greet.
///         name: String ["who"],
///         /// How often.
///         times: i64 = 1,
///         /// In which manner.
///         kind as "type": Option<String>,
///     }
/// }
/// use ocplay_protocol::Arguments;
/// let given = serde_json::json!({"who": "you", "times": "2"});
/// let args = Args::read(given.as_object().unwrap().clone()).unwrap();
/// assert_eq!((args.name.as_str(), args.times, args.kind), ("you", 2, None));
/// ```
#[macro_export]
macro_rules! arguments {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $field:ident $(as $given_name:literal)? : $type:ty $([$($alias:literal),+ $(,)?])? $(= $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $field_doc])* $vis $field: $type, )*
        }

        impl $crate::Arguments for $name {
            fn doc() -> String {
                $crate::argument::join_doc(&[$($doc),*])
            }
            fn infos() -> Vec<$crate::ArgInfo> {
                vec![$(
                    $crate::ArgInfo {
                        name: $crate::arguments!(@name $field $($given_name)?),
                        aliases: vec![$($($alias),+)?],
                        kind: <$type as $crate::Argument>::kind(),
                        required: !<$type as $crate::Argument>::OPTIONAL
                            && $crate::arguments!(@none $($default)?),
                        default: $crate::arguments!(@show $type, $($default)?),
                        doc: $crate::argument::join_doc(&[$($field_doc),*]),
                    }
                ),*]
            }
            fn read(
                given: $crate::serde_json::Map<String, $crate::serde_json::Value>,
            ) -> Result<Self, Vec<$crate::ArgProblem>> {
                let mut problems = Vec::new();
                #[allow(unused_mut)]
                let mut given = match $crate::catalogue::canonical(&Self::infos(), given) {
                    Ok(given) => given,
                    Err(found) => return Err(found),
                };
                $(
                    let $field: Option<$type> = $crate::argument::take(
                        &mut given,
                        $crate::arguments!(@name $field $($given_name)?),
                        $crate::arguments!(@default $type, $($default)?),
                        &mut problems,
                    );
                )*
                match ($($field,)*) {
                    ($(Some($field),)*) if problems.is_empty() => Ok(Self { $($field),* }),
                    _ => Err(problems),
                }
            }
        }

        impl $crate::Argument for $name {
            fn kind() -> $crate::ArgKind {
                $crate::ArgKind::Options($crate::catalogue::OptionList(
                    <Self as $crate::Arguments>::infos,
                ))
            }
            fn read(value: &$crate::serde_json::Value) -> Result<Self, String> {
                <Self as $crate::Arguments>::read($crate::coerce::mapping(value)?)
                    .map_err(|problems| $crate::catalogue::join(&problems))
            }
            fn show(&self) -> $crate::serde_json::Value {
                $crate::serde_json::Value::Null
            }
        }
    };
    (@name $field:ident $given:literal) => { $given };
    (@name $field:ident) => { stringify!($field) };
    (@none $default:expr) => { false };
    (@none) => { true };
    (@show $type:ty, $default:expr) => {{
        let default: $type = $default;
        Some($crate::Argument::show(&default))
    }};
    (@show $type:ty,) => { None };
    (@default $type:ty, $default:expr) => {{
        let default: $type = $default;
        Some(default)
    }};
    (@default $type:ty,) => { None };
}

/// Defines an argument type with named choices.
///
/// ```
/// ocplay_protocol::choices! {
///     /// Wanted state.
///     pub enum State { Present = "present", Absent = "absent" }
/// }
/// use ocplay_protocol::Argument;
/// assert_eq!(State::read(&"absent".into()), Ok(State::Absent));
/// ```
#[macro_export]
macro_rules! choices {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            /// The word used in playbooks.
            #[must_use]
            $vis fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::Argument for $name {
            fn kind() -> $crate::ArgKind {
                $crate::ArgKind::Choice(vec![$($word),+])
            }
            fn read(value: &$crate::serde_json::Value) -> Result<Self, String> {
                let word = $crate::catalogue::choice(&[$($word),+], value)?;
                $(if word == $word { return Ok(Self::$variant); })+
                Err(format!("'{word}' is not a choice"))
            }
            fn show(&self) -> $crate::serde_json::Value {
                $crate::serde_json::Value::from((*self).word())
            }
        }
    };
}

/// Doc comment lines as one text; used by [`crate::arguments!`].
#[doc(hidden)]
#[must_use]
pub fn join_doc(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ModuleInfo;

    choices! {
        enum State { Present = "present", Absent = "absent", Yes = "yes" }
    }

    arguments! {
        /// A thing.
        struct Args {
            /// Where.
            path: String ["dest", "name"],
            /// Whether.
            force: bool = false,
            /// Which.
            state: State = State::Present,
            /// How many.
            count: Option<i64>,
            /// Kinds.
            kind as "type": Option<Vec<String>>,
        }
    }

    fn read(value: Value) -> Result<Args, Vec<ArgProblem>> {
        <Args as Arguments>::read(value.as_object().unwrap().clone())
    }

    #[test]
    fn aliases_defaults_and_conversions() {
        let args =
            read(json!({"dest": "/x", "force": "yes", "count": "3", "type": "a,b"})).unwrap();
        assert_eq!(args.path, "/x");
        assert!(args.force);
        assert_eq!(args.state, State::Present);
        assert_eq!(args.count, Some(3));
        assert_eq!(args.kind.unwrap(), ["a", "b"]);
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let problems = read(json!({"force": "perhaps", "state": "gone"})).unwrap_err();
        let text = crate::catalogue::join(&problems);
        assert!(text.contains("'path'"), "{text}");
        assert!(text.contains("perhaps"), "{text}");
        assert!(text.contains("present, absent"), "{text}");
    }

    #[test]
    fn unknown_and_doubled_names() {
        assert!(matches!(
            &read(json!({"path": "/", "frce": 1})).unwrap_err()[..],
            [ArgProblem::Unknown { name, .. }] if name == "frce"
        ));
        assert!(matches!(
            &read(json!({"path": "/", "dest": "/"})).unwrap_err()[..],
            [ArgProblem::Conflict { .. }]
        ));
    }

    #[test]
    fn a_yaml_boolean_names_the_choice_yes() {
        assert_eq!(
            read(json!({"path": "/", "state": true})).unwrap().state,
            State::Yes
        );
    }

    #[test]
    fn description_is_derived() {
        let info = ModuleInfo {
            name: "thing",
            collection: "ansible.builtin",
            doc: <Args as Arguments>::doc(),
            place: crate::Place::Host,
            args: <Args as Arguments>::infos(),
            free_form: false,
            open: false,
        };
        assert_eq!(info.doc, "A thing.");
        let path = info.arg("name").unwrap();
        assert!(path.required);
        assert_eq!(path.doc, "Where.");
        assert_eq!(info.arg("state").unwrap().default, Some(json!("present")));
        assert_eq!(info.arg("type").unwrap().kind.word(), "list");
    }
}
