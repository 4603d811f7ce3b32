"""The page where people sign in: no script, no file from elsewhere, readable in two languages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Literal

from starlette.responses import HTMLResponse

Problem = Literal["wrong", "too_many", "elsewhere"]
_WORDS = {
    "en": {
        "title": "Sign in to Pickaxe",
        "name": "Name",
        "password": "Password",
        "tenant": "Tenant",
        "go": "Sign in",
        "openid": "Sign in with your organisation",
        "wrong": "That name and password do not belong together.",
        "too_many": "Too many sign-ins failed. Try again in {minutes} minutes.",
        "elsewhere": "Your organisation did not sign you in.",
    },
    "zh": {
        "title": "登录 Pickaxe",
        "name": "用户名",
        "password": "密码",
        "tenant": "租户",
        "go": "登录",
        "openid": "使用组织账号登录",
        "wrong": "用户名与密码不匹配。",
        "too_many": "登录失败次数过多，请 {minutes} 分钟后再试。",
        "elsewhere": "组织账号未能登录。",
    },
}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: #8a8f98; --ink: #14171a; --paper: #fff; --go: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --line: #737a85; --ink: #eceef1; --paper: #15181c; --go: #7db8f5; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; color: var(--ink); background: var(--paper); }
main { width: min(22rem, calc(100vw - 3rem)); }
h1 { font-size: 1.4rem; }
label { display: block; margin-top: .9rem; font-weight: 600; }
input, button, .other { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; border: 1px solid var(--line);
  border-radius: 6px; background: transparent; color: inherit; }
button { margin-top: 1.4rem; background: var(--go); border-color: var(--go); color: var(--paper); font-weight: 600; cursor: pointer; }
.other { display: block; margin-top: 1rem; text-align: center; }
.problem { border-left: 4px solid #d13438; padding-left: .7rem; }
"""
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(
    language: str,
    *,
    next_path: str,
    tenant: str,
    name: str = "",
    problem: Problem | None = None,
    values: Mapping[str, object] | None = None,
    detail: str = "",
    openid: bool = False,
    status: int = 200,
) -> HTMLResponse:
    """The form; `problem` says in the reader's language why the last attempt failed, `detail` what a program said of it."""
    words = _WORDS[language]
    said = escape(words[problem].format(**(values or {}))) if problem else ""
    if detail:
        said += f' <span lang="en">{escape(detail)}</span>'
    other = f'<a class="other" href="/sign-in/openid?next={escape(next_path)}">{words["openid"]}</a>' if openid else ""
    markup = f"""<!doctype html>
<html lang="{"zh-Hans" if language == "zh" else "en"}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{words["title"]}</title><style>{_STYLE}</style></head>
<body><main>
<h1>{words["title"]}</h1>
{f'<p class="problem" role="alert">{said}</p>' if said else ""}
<form method="post" action="/sign-in">
<input type="hidden" name="next" value="{escape(next_path)}">
<label for="name">{words["name"]}</label>
<input id="name" name="name" value="{escape(name)}" autocomplete="username" required maxlength="120" autofocus>
<label for="password">{words["password"]}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256">
<label for="tenant">{words["tenant"]}</label>
<input id="tenant" name="tenant" value="{escape(tenant)}" autocomplete="organization" required maxlength="63">
<button>{words["go"]}</button>
</form>
{other}
</main></body></html>"""
    # With "no-referrer" a browser would not say where the form comes from either, and what says nothing is refused.
    headers = {"content-security-policy": _POLICY, "cache-control": "no-store", "referrer-policy": "same-origin"}
    return HTMLResponse(markup, status, headers)
