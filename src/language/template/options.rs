//! How whole template files are read.

/// The template module's options that shape its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileOptions {
    pub trim_blocks: bool,
    pub lstrip_blocks: bool,
    pub newline_sequence: String,
    pub variable_start_string: String,
    pub variable_end_string: String,
    pub block_start_string: String,
    pub block_end_string: String,
    pub comment_start_string: String,
    pub comment_end_string: String,
    pub line_statement_prefix: Option<String>,
    pub line_comment_prefix: Option<String>,
    pub keep_trailing_newline: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            trim_blocks: true,
            lstrip_blocks: false,
            newline_sequence: "\n".into(),
            variable_start_string: "{{".into(),
            variable_end_string: "}}".into(),
            block_start_string: "{%".into(),
            block_end_string: "%}".into(),
            comment_start_string: "{#".into(),
            comment_end_string: "#}".into(),
            line_statement_prefix: None,
            line_comment_prefix: None,
            keep_trailing_newline: false,
        }
    }
}

impl FileOptions {
    /// How a scalar of a playbook is read.
    pub(super) fn scalar() -> Self {
        Self::default()
    }

    /// Applies a first line such as `#jinja2: trim_blocks: False` and returns
    /// the number of bytes of that line.
    ///
    /// # Errors
    /// An option that does not exist or has a wrong value.
    pub fn header(&mut self, text: &str) -> Result<usize, String> {
        let Some(rest) = text.strip_prefix("#jinja2:") else {
            return Ok(0);
        };
        let (line, length) = match rest.split_once('\n') {
            Some((line, _)) => (line, text.len() - rest.len() + line.len() + 1),
            None => (rest, text.len()),
        };
        for pair in line.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (name, value) = pair
                .split_once(':')
                .ok_or_else(|| format!("'{}' in the #jinja2 line has no value", pair.trim()))?;
            self.set(name.trim(), value.trim().trim_matches(['\'', '"']))?;
        }
        Ok(length)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let truth = || match value {
            "True" | "true" => Ok(true),
            "False" | "false" => Ok(false),
            other => Err(format!(
                "{name} in the #jinja2 line must be True or False, not {other}"
            )),
        };
        let text = || {
            value
                .replace("\\n", "\n")
                .replace("\\r", "\r")
                .replace("\\t", "\t")
        };
        match name {
            "trim_blocks" => self.trim_blocks = truth()?,
            "lstrip_blocks" => self.lstrip_blocks = truth()?,
            "keep_trailing_newline" => self.keep_trailing_newline = truth()?,
            "newline_sequence" => self.newline_sequence = text(),
            "variable_start_string" => self.variable_start_string = text(),
            "variable_end_string" => self.variable_end_string = text(),
            "block_start_string" => self.block_start_string = text(),
            "block_end_string" => self.block_end_string = text(),
            "comment_start_string" => self.comment_start_string = text(),
            "comment_end_string" => self.comment_end_string = text(),
            "line_statement_prefix" => self.line_statement_prefix = Some(text()),
            "line_comment_prefix" => self.line_comment_prefix = Some(text()),
            "autoescape" | "optimized" | "auto_reload" | "cache_size" | "enable_async" => {}
            other => return Err(format!("unknown option '{other}' in the #jinja2 line")),
        }
        Ok(())
    }
}
