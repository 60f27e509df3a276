//! Source in, the same source with a switch per mutant out.

use proc_macro2::Span;
use quote::ToTokens;
use syn::Attribute;
use syn::BinOp;
use syn::Block;
use syn::Expr;
use syn::ExprBinary;
use syn::Pat;
use syn::ReturnType;
use syn::Signature;
use syn::Stmt;
use syn::UnOp;
use syn::parse_quote;
use syn::spanned::Spanned;
use syn::visit_mut;
use syn::visit_mut::VisitMut;

/// Puts all mutants of a file behind switches; each is told to `mutants`.
pub fn switch(file: &str, text: &str, mutants: &mut Vec<String>) -> String {
    let mut tree = syn::parse_file(text).expect("the source is Rust");
    let name = file.split_once("datalog/").map_or(file, |(_, name)| name).to_owned();
    let mut switches = Switches { file: name, function: String::new(), mutants };
    switches.visit_file_mut(&mut tree);
    prettyplease::unparse(&tree)
}

struct Switches<'a> {
    file: String,
    function: String,
    mutants: &'a mut Vec<String>,
}

/// Operators that may stand for another one.
fn others(op: &BinOp) -> Vec<BinOp> {
    macro_rules! ops {
        ($($token:tt)*) => { vec![$(parse_quote!($token)),*] };
    }
    match op {
        BinOp::Eq(_) => ops!(!=),
        BinOp::Ne(_) => ops!(==),
        BinOp::Lt(_) => ops!(== > <=),
        BinOp::Gt(_) => ops!(== < >=),
        BinOp::Le(_) => ops!(>),
        BinOp::Ge(_) => ops!(<),
        BinOp::And(_) => ops!(||),
        BinOp::Or(_) => ops!(&&),
        BinOp::Add(_) => ops!(- *),
        BinOp::Sub(_) => ops!(+ /),
        BinOp::Mul(_) => ops!(+ /),
        BinOp::Div(_) => ops!(% *),
        BinOp::Rem(_) => ops!(/ +),
        BinOp::BitAnd(_) => ops!(| ^),
        BinOp::BitOr(_) => ops!(& ^),
        BinOp::Shl(_) => ops!(>>),
        BinOp::Shr(_) => ops!(<<),
        BinOp::AddAssign(_) => ops!(-= *=),
        BinOp::SubAssign(_) => ops!(+= /=),
        BinOp::BitAndAssign(_) => ops!(|= ^=),
        BinOp::BitOrAssign(_) => ops!(&= ^=),
        _ => Vec::new(),
    }
}

/// What a function of this type may return at once.
fn values(output: &ReturnType) -> Vec<Expr> {
    let ReturnType::Type(_, kind) = output else { return vec![parse_quote!(())] };
    let text = kind.to_token_stream().to_string().replace(' ', "");
    let start = |prefix: &str| text.starts_with(prefix);
    match text.as_str() {
        "bool" => vec![parse_quote!(true), parse_quote!(false)],
        "usize" | "u32" | "u64" | "i64" | "i128" => vec![parse_quote!(0), parse_quote!(1)],
        _ if start("Option<") => vec![parse_quote!(None)],
        _ if start("Vec<") => vec![parse_quote!(Vec::new())],
        _ if start("BTreeMap<") || text == "Groups" => vec![parse_quote!(Default::default())],
        _ if start("Result<()") => vec![parse_quote!(Ok(()))],
        _ if start("Result<Vec<") || start("Result<BTreeMap<") => {
            vec![parse_quote!(Ok(Default::default()))]
        }
        _ if start("Result<bool") => vec![parse_quote!(Ok(true)), parse_quote!(Ok(false))],
        _ if start("Result<Option<") => vec![parse_quote!(Ok(None))],
        _ => Vec::new(),
    }
}

/// True when a part of an `&&` chain binds names: it cannot stand behind a switch.
fn binds(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) => {
            binds(left) || binds(right)
        }
        _ => false,
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    let text = |one: &Attribute| one.to_token_stream().to_string().replace(' ', "");
    attributes.iter().any(|one| matches!(text(one).as_str(), "#[cfg(test)]" | "#[test]"))
}

impl Switches<'_> {
    /// A new mutant: the call that says whether it is the one that is on.
    fn mutant(&mut self, at: Span, what: &str) -> Expr {
        let number = self.mutants.len() as u32;
        let (line, column) = (at.start().line, at.start().column + 1);
        let place = format!("{}:{line}:{column}", self.file);
        self.mutants.push(format!("{place}: {}: {}: {what}", self.file, self.function));
        parse_quote!(crate::mutant(#number))
    }

    fn body(&mut self, signature: &Signature, block: &mut Block) {
        let outer = std::mem::replace(&mut self.function, signature.ident.to_string());
        visit_mut::visit_block_mut(self, block);
        let returns = values(&signature.output);
        if !block.stmts.is_empty() && signature.constness.is_none() {
            for value in returns.into_iter().rev() {
                let what = format!("returns {}", value.to_token_stream());
                let is_on = self.mutant(signature.ident.span(), &what);
                let stop: Stmt = parse_quote!(if #is_on { return #value; });
                block.stmts.insert(0, stop);
            }
        }
        self.function = outer;
    }
}

impl VisitMut for Switches<'_> {
    fn visit_item_mut(&mut self, item: &mut syn::Item) {
        match item {
            syn::Item::Const(_) | syn::Item::Static(_) | syn::Item::Macro(_) => {}
            syn::Item::Mod(inner) if is_test(&inner.attrs) => {}
            syn::Item::Fn(inner) if is_test(&inner.attrs) => {}
            _ => visit_mut::visit_item_mut(self, item),
        }
    }

    fn visit_type_mut(&mut self, _: &mut syn::Type) {}

    fn visit_pat_mut(&mut self, _: &mut Pat) {}

    fn visit_item_fn_mut(&mut self, function: &mut syn::ItemFn) {
        self.body(&function.sig, &mut function.block);
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            self.body(&function.sig, &mut function.block);
        }
    }

    fn visit_expr_match_mut(&mut self, found: &mut syn::ExprMatch) {
        visit_mut::visit_expr_match_mut(self, found);
        let Some(wildcard) = found.arms.iter().position(|arm| matches!(arm.pat, Pat::Wild(_)))
        else {
            return;
        };
        for arm in &mut found.arms[..wildcard] {
            let pattern = arm.pat.to_token_stream().to_string();
            let is_on = self.mutant(arm.pat.span(), &format!("skips {pattern}"));
            let guard: Expr = match &arm.guard {
                Some((_, guard)) => parse_quote!((#guard) && !#is_on),
                None => parse_quote!(!#is_on),
            };
            arm.guard = Some((Default::default(), Box::new(guard)));
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let before = expr.clone();
        visit_mut::visit_expr_mut(self, expr);
        match expr {
            Expr::Binary(binary) if !binds(&before) => {
                let (left, right, op) = (&binary.left, &binary.right, binary.op);
                let mut out: Expr = parse_quote!({ #left #op #right });
                for other in others(&op) {
                    let (was, is) = (op.to_token_stream(), other.to_token_stream());
                    let is_on = self.mutant(op.span(), &format!("{was} becomes {is}"));
                    out = parse_quote!(if #is_on { #left #other #right } else #out);
                }
                if matches!(out, Expr::If(_)) {
                    *expr = parse_quote!((#out));
                }
            }
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_) | UnOp::Neg(_)) => {
                let (inner, op) = (&unary.expr, unary.op);
                if matches!(**inner, Expr::Lit(_)) {
                    return;
                }
                let what = format!("{} is dropped", op.to_token_stream());
                let is_on = self.mutant(op.span(), &what);
                // Twice is as good as never, and has the same type.
                *expr = parse_quote!((if #is_on { #op(#op #inner) } else { #op #inner }));
            }
            _ => {}
        }
    }
}
