/**
 * The mails' HTML frame with its placeholders. Made from frame.mjml by `npm run build:mail`; change it there.
 *
 * @module
 */
export const frameHtml = `<!doctype html>
<html lang="en" dir="ltr" xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
<head>
<title>[[heading]]</title>
<!--[if !mso]><!-->
<meta http-equiv="X-UA-Compatible" content="IE=edge">
<!--<![endif]-->
<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style type="text/css">
#outlook a { padding:0; }
body { margin:0;padding:0;-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%; }
table, td { border-collapse:collapse;mso-table-lspace:0pt;mso-table-rspace:0pt; }
img { border:0;height:auto;line-height:100%; outline:none;text-decoration:none;-ms-interpolation-mode:bicubic; }
p { display:block;margin:13px 0; }
</style>
<!--[if mso]>
<noscript>
<xml>
<o:OfficeDocumentSettings>
<o:AllowPNG/>
<o:PixelsPerInch>96</o:PixelsPerInch>
</o:OfficeDocumentSettings>
</xml>
</noscript>
<![endif]-->
<!--[if lte mso 11]>
<style type="text/css">
.mj-outlook-group-fix { width:100% !important; }
</style>
<![endif]-->
<style type="text/css">
@media only screen and (min-width:480px) {
.mj-column-per-100 { width:100% !important; max-width: 100%; }
}
</style>
<style media="screen and (min-width:480px)">
.moz-text-html .mj-column-per-100 { width:100% !important; max-width: 100%; }
</style>
<style type="text/css">
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 599px) {
.above { display: none !important; }
.card, .card > table { border-radius: 0 !important; }
.card > table > tbody > tr > td { padding: 28px 22px !important; border-radius: 0 !important; }
.title h1 { font-size: 24px !important; line-height: 31px !important; }
.button table { width: 100% !important; }
.button a { display: block !important; }
}
@media (prefers-color-scheme: dark) {
.page, .page > div { background: #10141c !important; }
.card, .card > table { background: #1a2030 !important; }
.card > table > tbody > tr > td { border-color: #2b3448 !important; }
.ink div, .title h1, .rail strong { color: #eef1f8 !important; }
.rail { border-color: #40508f !important; color: #aab4c8 !important; }
.brand div { color: #a9b9ff !important; }
.foot div, .foot a { color: #93a0b8 !important; }
}
</style>
<meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
</head>
<body class="page" style="word-spacing:normal;background-color:#f3f5f9;">
<div style="display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;">[[preheader]]</div>
<div aria-label="[[heading]]" aria-roledescription="email" role="article" lang="en" dir="ltr" style="word-spacing:normal;background-color:#f3f5f9;">
<!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" class="above-outlook" role="presentation" style="width:600px;" width="600"><tr><td style="line-height:0px;font-size:0px;mso-line-height-rule:exactly;"><![endif]-->
<div class="above" style="margin:0px auto;max-width:600px;">
<table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="width:100%;">
<tbody>
<tr>
<td style="direction:ltr;font-size:0px;padding:0;text-align:center;">
<!--[if mso | IE]><table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr><td class="" style="vertical-align:top;width:600px;"><![endif]-->
<div class="mj-column-per-100 mj-outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%">
<tbody>
<tr>
<td style="vertical-align:top;padding:0;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" style="" width="100%">
<tbody>
<tr>
<td style="font-size:0px;word-break:break-word;">
<div style="height:32px;line-height:32px;">&#8202;</div>
</td>
</tr>
</tbody>
</table>
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><![endif]-->
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><table align="center" border="0" cellpadding="0" cellspacing="0" class="card-outlook" role="presentation" style="width:600px;" width="600" bgcolor="#fdfdfe"><tr><td style="line-height:0px;font-size:0px;mso-line-height-rule:exactly;"><![endif]-->
<div class="card" style="background:#fdfdfe;background-color:#fdfdfe;margin:0px auto;max-width:600px;border-radius:14px;overflow:hidden;">
<table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="background:#fdfdfe;background-color:#fdfdfe;width:100%;border-collapse:separate;">
<tbody>
<tr>
<td style="border:1px solid #e2e7f0;border-radius:14px;direction:ltr;font-size:0px;padding:40px 44px;text-align:left;">
<!--[if mso | IE]><table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr><td class="" style="vertical-align:top;width:510px;"><![endif]-->
<div class="mj-column-per-100 mj-outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%">
<tbody>
<tr>
<td style="vertical-align:top;padding:0;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" style="" width="100%">
<tbody>
<tr>
<td align="left" class="brand" style="font-size:0px;padding:0 0 22px;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:14px;font-weight:600;letter-spacing:0.02em;line-height:20px;text-align:left;color:#3d55c4;">{{ senderName }}</div>
</td>
</tr>
<tr>
<td align="left" class="title" style="font-size:0px;padding:0 0 22px;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:16px;line-height:25px;text-align:left;color:#27303f;"><h1 style="margin:0;font-size:28px;line-height:36px;font-weight:700;color:#141a26">[[heading]]</h1></div>
</td>
</tr>
<!--[[opening-]]-->
<tr>
<td align="left" class="ink" style="font-size:0px;padding:0 0 16px;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:16px;line-height:25px;text-align:left;color:#27303f;"><p style="margin:0">[[paragraph]]</p></div>
</td>
</tr>
<!--[[-opening]]--><!--[[link-]]-->
<tr>
<td align="left" class="button" style="font-size:0px;padding:10px 0 30px;word-break:break-word;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" style="border-collapse:separate;line-height:100%;">
<tbody>
<tr>
<td align="center" bgcolor="#3d55c4" role="presentation" style="border:none;border-radius:9px;cursor:auto;mso-padding-alt:14px 30px;background:#3d55c4;" valign="middle">
<a href="{{ actionUrl }}" style="display:inline-block;background:#3d55c4;color:#ffffff;font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:16px;font-weight:600;line-height:20px;margin:0;text-decoration:none;text-transform:none;padding:14px 30px;mso-padding-alt:0px;border-radius:9px;" target="_blank">
[[button]]
</a>
</td>
</tr>
</tbody>
</table>
</td>
</tr>
<!--[[-link]]--><!--[[no-link-]]-->
<tr>
<td align="left" class="ink" style="font-size:0px;padding:0 0 16px;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:16px;font-weight:700;line-height:25px;text-align:left;color:#27303f;"><p style="margin:0">[[withoutLink]]</p></div>
</td>
</tr>
<!--[[-no-link]]--><!--[[points-]]-->
<tr>
<td align="left" style="font-size:0px;padding:0 0 14px;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:15px;line-height:23px;text-align:left;color:#27303f;"><p class="rail" style="margin:0;padding:2px 0 2px 14px;border-left:3px solid #c9d3f5;color:#566074"><strong style="color:#141a26">[[title]]</strong><br>[[text]]</p></div>
</td>
</tr>
<!--[[-points]]-->
<tr>
<td align="left" class="ink" style="font-size:0px;padding:12px 0 0;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:16px;line-height:25px;text-align:left;color:#27303f;"><p style="margin:0">[[closing]]<br>{{ senderName }}</p></div>
</td>
</tr>
</tbody>
</table>
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><![endif]-->
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><table align="center" border="0" cellpadding="0" cellspacing="0" class="" role="presentation" style="width:600px;" width="600"><tr><td style="line-height:0px;font-size:0px;mso-line-height-rule:exactly;"><![endif]-->
<div style="margin:0px auto;max-width:600px;">
<table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="width:100%;">
<tbody>
<tr>
<td style="direction:ltr;font-size:0px;padding:22px 22px 8px;text-align:center;">
<!--[if mso | IE]><table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr><td class="" style="vertical-align:top;width:556px;"><![endif]-->
<div class="mj-column-per-100 mj-outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%">
<tbody>
<tr>
<td style="vertical-align:top;padding:0;">
<table border="0" cellpadding="0" cellspacing="0" role="presentation" style="" width="100%">
<tbody>
<tr>
<td align="center" class="foot" style="font-size:0px;padding:0;word-break:break-word;">
<div style="font-family:-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;font-size:14px;line-height:21px;text-align:center;color:#667085;"><p style="margin:0">{{ senderName }} sent this to {{ email }}.{% if postalAddress != '' %}<br>{{ postalAddress }}{% endif %}{% if unsubscribeUrl != '' %}<br><a href="{{ unsubscribeUrl }}" style="color:#667085;text-decoration:underline">Unsubscribe</a>{% endif %}</p></div>
</td>
</tr>
</tbody>
</table>
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><![endif]-->
</td>
</tr>
</tbody>
</table>
</div>
<!--[if mso | IE]></td></tr></table><![endif]-->
</div>
</body>
</html>
`;
