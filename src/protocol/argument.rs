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
    /// In which parts of it `~` and `$NAME` are replaced on the host.
    const PATHS: Paths = Paths::No;
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
    /// Stands for a value that is wrong, until all mistakes are known.
    fn blank() -> Self;
}

/// What reading needs to know about an argument: a table, so that a module
/// costs little code.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub paths: Paths,
}

/// Whether an argument is a path, or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    No,
    One,
    Many,
}

/// A whole argument struct; made by [`crate::arguments!`].
pub trait Arguments: Sized {
    /// The arguments' names.
    const FIELDS: &'static [Field];
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
    fn blank() -> Self {
        Self::new()
    }
}

impl Argument for PathBuf {
    const PATHS: Paths = Paths::One;
    fn kind() -> ArgKind {
        ArgKind::Path
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::text(value).map(Self::from)
    }
    fn show(&self) -> Value {
        Value::String(self.display().to_string())
    }
    fn blank() -> Self {
        Self::new()
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
    fn blank() -> Self {
        false
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
    fn blank() -> Self {
        0
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
    fn blank() -> Self {
        0.0
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
    fn blank() -> Self {
        Self::Null
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
    fn blank() -> Self {
        Self::new()
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
    fn blank() -> Self {
        Self::new()
    }
}

impl<T: Argument> Argument for Vec<T> {
    const PATHS: Paths = match T::PATHS {
        Paths::No => Paths::No,
        Paths::One | Paths::Many => Paths::Many,
    };
    fn kind() -> ArgKind {
        ArgKind::List(Box::new(T::kind()))
    }
    fn read(value: &Value) -> Result<Self, String> {
        coerce::list(value)?.iter().map(T::read).collect()
    }
    fn show(&self) -> Value {
        self.iter().map(T::show).collect()
    }
    fn blank() -> Self {
        Self::new()
    }
}

impl<T: Argument> Argument for Option<T> {
    const PATHS: Paths = T::PATHS;
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
    fn blank() -> Self {
        None
    }
}

/// Takes a struct's arguments one by one; used by [`crate::arguments!`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Reader {
    given: Map<String, Value>,
    problems: Vec<ArgProblem>,
}

impl Reader {
    /// # Errors
    /// Names that are no arguments, or given twice.
    pub fn new(fields: &[Field], given: Map<String, Value>) -> Result<Self, Vec<ArgProblem>> {
        Ok(Self {
            given: canonical(fields, given)?,
            problems: Vec::new(),
        })
    }

    /// The value of an argument; a null counts as left out, as in Ansible.
    #[inline(never)]
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.given
            .swap_remove(name)
            .filter(|value| !value.is_null())
    }

    #[inline(never)]
    pub fn convert<T: Argument>(&mut self, name: &str, value: &Value) -> T {
        T::read(value).unwrap_or_else(|reason| {
            self.wrong(name, reason);
            T::blank()
        })
    }

    /// An argument without a default.
    #[inline(never)]
    pub fn need<T: Argument>(&mut self, name: &str) -> T {
        if let Some(value) = self.take(name) {
            return self.convert(name, &value);
        }
        T::absent().unwrap_or_else(|| {
            self.problems.push(ArgProblem::Missing {
                name: name.to_owned(),
            });
            T::blank()
        })
    }

    fn wrong(&mut self, name: &str, reason: String) {
        self.problems.push(ArgProblem::Wrong {
            name: name.to_owned(),
            reason,
        });
    }

    /// # Errors
    /// All mistakes that were found.
    pub fn end<T>(self, read: T) -> Result<T, Vec<ArgProblem>> {
        if self.problems.is_empty() {
            Ok(read)
        } else {
            Err(self.problems)
        }
    }
}

/// The argument of this name or alias.
#[must_use]
pub fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields
        .iter()
        .find(|field| field.name == name || field.aliases.contains(&name))
}

/// Renames aliases to the names they stand for and reports unknown keys.
fn canonical(
    fields: &[Field],
    given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ArgProblem>> {
    let mut out = Map::new();
    let mut problems = Vec::new();
    for (key, value) in given {
        match field(fields, &key) {
            None => problems.push(ArgProblem::Unknown {
                name: key,
                known: fields
                    .iter()
                    .flat_map(|field| std::iter::once(field.name).chain(field.aliases.to_vec()))
                    .map(str::to_owned)
                    .collect(),
            }),
            Some(field) => {
                if out.insert(field.name.to_owned(), value).is_some() {
                    problems.push(ArgProblem::Conflict {
                        reason: format!("'{key}' is the same argument as '{}'", field.name),
                    });
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(out)
    } else {
        Err(problems)
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
            const FIELDS: &'static [$crate::argument::Field] = &[$(
                $crate::argument::Field {
                    name: $crate::arguments!(@name $field $($given_name)?),
                    aliases: &[$($($alias),+)?],
                    paths: <$type as $crate::Argument>::PATHS,
                }
            ),*];
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
                let mut reader = $crate::argument::Reader::new(Self::FIELDS, given)?;
                let read = Self {
                    $($field: $crate::arguments!(
                        @read reader, $type, $crate::arguments!(@name $field $($given_name)?),
                        $($default)?
                    ),)*
                };
                reader.end(read)
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
            fn blank() -> Self {
                Self { $($field: <$type as $crate::Argument>::blank()),* }
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
    (@read $reader:ident, $type:ty, $name:expr, $default:expr) => {
        match $reader.take($name) {
            Some(value) => $reader.convert::<$type>($name, &value),
            None => $default,
        }
    };
    (@read $reader:ident, $type:ty, $name:expr,) => { $reader.need::<$type>($name) };
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
                const ALL: &[$name] = &[$($name::$variant),+];
                $crate::catalogue::choice_index(&[$($word),+], value).map(|index| ALL[index])
            }
            fn blank() -> Self {
                [$(Self::$variant),+][0]
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
