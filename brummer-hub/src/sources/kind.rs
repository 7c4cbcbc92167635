//! Where what is known of an instance comes from.

/// Who announced an instance.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SourceKind {
    /// The instance itself, or `register`, by a doorbell file.
    #[default]
    Doorbell,
    /// Vite DevTools and other tools that are built with devframe.
    Devframe,
    /// Storybook.
    Storybook,
    /// The dev server of Next.js.
    Next,
    /// The dev server of Nuxt.
    Nuxt,
    /// The dev server of Astro.
    Astro,
    /// The routes of portless.
    Portless,
    /// The IDEs of JetBrains.
    JetBrains,
    /// The companion of Gemini CLI in an editor.
    Gemini,
    /// The companion of Copilot CLI in an editor.
    Copilot,
    /// Programs with a port of their own: Figma, Unreal and others.
    Apps,
    /// What the user's own programs listen on in a known project.
    Ports,
    /// Tidewave, within dev servers that are known by another source.
    Tidewave,
    /// What scripts of `brummer-hub run` serve.
    Run,
    /// A person, in a file ([`DeclaredServer`](crate::declared::DeclaredServer)).
    Config,
}

impl SourceKind {
    /// Those that can be switched on and off: those of other tools.
    pub const SWITCHABLE: [Self; 13] = [
        Self::Devframe,
        Self::Storybook,
        Self::Next,
        Self::Nuxt,
        Self::Astro,
        Self::Portless,
        Self::JetBrains,
        Self::Gemini,
        Self::Copilot,
        Self::Apps,
        Self::Ports,
        Self::Tidewave,
        Self::Run,
    ];

    /// Its name on all surfaces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doorbell => "doorbell",
            Self::Devframe => "devframe",
            Self::Storybook => "storybook",
            Self::Next => "next",
            Self::Nuxt => "nuxt",
            Self::Astro => "astro",
            Self::Portless => "portless",
            Self::JetBrains => "jetbrains",
            Self::Gemini => "gemini",
            Self::Copilot => "copilot",
            Self::Apps => "apps",
            Self::Ports => "ports",
            Self::Tidewave => "tidewave",
            Self::Run => "run",
            Self::Config => "config",
        }
    }
}
