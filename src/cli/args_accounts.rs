//! `businesses …`, `widgets …` and `api-keys …` on the command line. Not for what the commands do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::Shape;

/// One thing by its id.
#[derive(Debug, Args)]
pub struct One {
    /// Its id.
    pub id: String,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// Those of one business or all.
#[derive(Debug, Args)]
pub struct Listed {
    /// Only of this business.
    #[arg(long)]
    pub business: Option<String>,
    /// How they are printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `businesses …`
#[derive(Debug, Subcommand)]
pub enum Businesses {
    /// Add a business, to which widgets, keys, sessions and webhooks belong.
    #[command(after_help = "Example:\n  deposit-watcher businesses create shop --name \"The shop\"")]
    Create(BusinessesCreate),
    /// All businesses.
    #[command(after_help = "Example:\n  deposit-watcher businesses list --output json")]
    List(Shape),
    /// None of its keys, widgets and secrets is good any more; its sessions still take money.
    #[command(after_help = "Example:\n  deposit-watcher businesses disable shop")]
    Disable(One),
    /// All of them that were not disabled themselves are good again.
    #[command(after_help = "Example:\n  deposit-watcher businesses enable shop")]
    Enable(One),
}

/// `businesses create`
#[derive(Debug, Args)]
pub struct BusinessesCreate {
    /// Its id: 1 to 64 characters of a-z, 0-9, _ and -; a random `biz_…` if not given.
    pub id: Option<String>,
    /// For people, 1 to 128 characters.
    #[arg(long)]
    pub name: String,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `widgets …`
#[derive(Debug, Subcommand)]
pub enum Widgets {
    /// Add a widget, the rules by which sessions are opened; prints its client secret, once. At most 10 a business.
    #[command(
        after_help = "Example:\n  deposit-watcher widgets create --business shop --name checkout --min 1 --max 500 --network polygon \
        --currency USDC\n  deposit-watcher widgets create --business shop --name ticket --mode FIXED_AMOUNT --min 25 --max 25 \
        --domain shop.example.com --address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    )]
    Create(Box<WidgetsCreate>),
    /// Widgets, those of one business or all.
    #[command(after_help = "Example:\n  deposit-watcher widgets list --business shop")]
    List(Listed),
    /// One widget with all its rules.
    #[command(after_help = "Example:\n  deposit-watcher widgets show wid_5f3e9a --output json")]
    Show(One),
    /// Open no more sessions through it; those that are open still take money.
    #[command(after_help = "Example:\n  deposit-watcher widgets disable wid_5f3e9a")]
    Disable(One),
    /// Open sessions through it again.
    #[command(after_help = "Example:\n  deposit-watcher widgets enable wid_5f3e9a")]
    Enable(One),
    /// Give it another client secret, printed once; the old one is good for webhooks.secret_overlap more.
    #[command(after_help = "Example:\n  deposit-watcher widgets rotate wid_5f3e9a")]
    Rotate(One),
}

/// `widgets create`
#[derive(Debug, Args)]
pub struct WidgetsCreate {
    /// Whose it is; `default` if not given.
    #[arg(long, default_value = "default")]
    pub business: String,
    /// For people, 1 to 128 characters.
    #[arg(long)]
    pub name: String,
    /// FIXED_AMOUNT or CUSTOMER_AMOUNT.
    #[arg(long, default_value = "CUSTOMER_AMOUNT")]
    pub mode: String,
    /// The least that may be asked for, in whole tokens.
    #[arg(long, value_name = "DECIMAL")]
    pub min: Option<String>,
    /// The most that may be asked for, in whole tokens.
    #[arg(long, value_name = "DECIMAL")]
    pub max: Option<String>,
    /// A network that is allowed; several may be given, and none allows all that are watched.
    #[arg(long, value_name = "SLUG")]
    pub network: Vec<String>,
    /// A token's symbol that is allowed; several may be given, and none allows all.
    #[arg(long, value_name = "SYMBOL")]
    pub currency: Vec<String>,
    /// Where money may arrive; several may be given. None allows nothing to the client secret, anything to your server.
    #[arg(long, value_name = "ADDRESS")]
    pub address: Vec<String>,
    /// A host from whose pages browsers may ask; several may be given, and none allows all.
    #[arg(long, value_name = "HOST")]
    pub domain: Vec<String>,
    /// Where a customer goes who has paid.
    #[arg(long, value_name = "URL")]
    pub success_url: Option<String>,
    /// Where a customer goes who gives up.
    #[arg(long, value_name = "URL")]
    pub cancel_url: Option<String>,
    /// The symbol that a page begins with.
    #[arg(long, value_name = "SYMBOL")]
    pub default_currency: Option<String>,
    /// The token contract that a page begins with.
    #[arg(long, value_name = "ADDRESS")]
    pub default_currency_address: Option<String>,
    /// The network that a page begins with.
    #[arg(long, value_name = "SLUG")]
    pub default_network: Option<String>,
    /// The deposit address that a page begins with.
    #[arg(long, value_name = "ADDRESS")]
    pub default_address: Option<String>,
    /// A file with the JSON Schema that metadata must match.
    #[arg(long, value_name = "FILE")]
    pub metadata_schema: Option<PathBuf>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `api-keys …`
#[derive(Debug, Subcommand)]
pub enum ApiKeys {
    /// Add a key that signs a business's tokens: HS256 with a secret, printed once, or EdDSA with your public key.
    #[command(
        after_help = "Example:\n  deposit-watcher api-keys create --business shop --name server\n  deposit-watcher api-keys create \
        --business shop --name payments --widget wid_5f3e9a\n  openssl genpkey -algorithm ed25519 \
        -out key.pem && openssl pkey -in key.pem -pubout -out public.pem\n  deposit-watcher api-keys create --business shop \
        --name server --public-key public.pem"
    )]
    Create(ApiKeysCreate),
    /// Keys, those of one business or all.
    #[command(after_help = "Example:\n  deposit-watcher api-keys list --business shop")]
    List(Listed),
    /// End a key at once.
    #[command(after_help = "Example:\n  deposit-watcher api-keys disable key_5f3e9a")]
    Disable(One),
    /// Add another key of the same kind; the old one is good for webhooks.secret_overlap more.
    #[command(
        after_help = "Example:\n  deposit-watcher api-keys rotate key_5f3e9a\n  deposit-watcher api-keys rotate key_5f3e9a \
        --public-key new.pem"
    )]
    Rotate(ApiKeysRotate),
}

/// `api-keys create`
#[derive(Debug, Args)]
pub struct ApiKeysCreate {
    /// Whose it is; `default` if not given.
    #[arg(long, default_value = "default")]
    pub business: String,
    /// For people, 1 to 128 characters.
    #[arg(long)]
    pub name: String,
    /// Bind the key to this widget of the business: payments by link that its tokens ask for go by the widget's rules.
    #[arg(long, value_name = "WIDGET")]
    pub widget: Option<String>,
    /// A file with an Ed25519 public key: PEM, 64 hexadecimal digits or base64.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}

/// `api-keys rotate`
#[derive(Debug, Args)]
pub struct ApiKeysRotate {
    /// Its id.
    pub id: String,
    /// A file with the new Ed25519 public key, where the key is EdDSA.
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// How it is printed.
    #[command(flatten)]
    pub shape: Shape,
}
