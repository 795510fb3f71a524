// A certified OpenID Connect provider on a free port of this computer, with the people that a test names.
// OIDC_TEST (JSON): port (0 for a free one), client_id, client_secret (absent for a public client), redirect_uri, code_seconds.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const asked = JSON.parse(process.env.OIDC_TEST);
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(asked.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: asked.client_id,
        ...(asked.client_secret
          ? { client_secret: asked.client_secret, token_endpoint_auth_method: 'client_secret_basic' }
          : { token_endpoint_auth_method: 'none' }),
        application_type: 'native',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'authorization_code'],
        response_types: ['code'],
        redirect_uris: [asked.redirect_uri],
      },
    ],
    jwks: { keys: [{ ...key, kid: randomUUID(), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomUUID()] },
    // Pages with a form for any name and password, and one to say yes: what a person sees of a provider.
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    claims: { openid: ['sub'], profile: ['preferred_username'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id} at the provider` }) }),
    pkce: { required: () => true },
    ttl: { DeviceCode: asked.code_seconds },
  });
  answer = provider.callback();
  console.log(JSON.stringify({ event: 'listening', issuer }));
});
